-- $1 template  $2 upstream nodes  $3 downstream nodes
INSERT INTO template_edge (template_id, up, down)
SELECT $1::integer, e.up, e.down FROM unnest($2::smallint[], $3::smallint[]) AS e(up, down);
