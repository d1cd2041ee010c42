-- $1 template  $2 nodes  $3 type names  $4 numbers of upstreams
INSERT INTO template_node (template_id, node, type_id, waiting)
SELECT $1::integer, n.node, y.type_id, n.waiting
  FROM unnest($2::smallint[], $3::text[], $4::smallint[]) AS n(node, type, waiting)
  JOIN subtask_type y ON y.name = n.type;
