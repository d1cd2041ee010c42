-- Templates with a number above $1.
SELECT template_id, name, version, sha256, body FROM template
 WHERE template_id > $1::integer ORDER BY template_id;
