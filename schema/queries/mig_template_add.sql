-- $1 name  $2 version  $3 sha256  $4 task name  $5 task type  $6 nodes  $7 roots  $8 body
INSERT INTO template (name, version, sha256, task_name, task_type, node_count, roots, body)
VALUES ($1::text, $2::integer, $3::text, $4::text, $5::text, $6::smallint, $7::smallint, $8::text)
RETURNING template_id;
