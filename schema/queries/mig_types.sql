-- Numbers of subtask types never change; new names get new ones. $1 names
INSERT INTO subtask_type (name)
SELECT n FROM unnest($1::text[]) AS n WHERE n NOT IN (SELECT name FROM subtask_type)
RETURNING name, true AS added;
