SELECT version, (SELECT coalesce(max(template_id), 0) FROM template) AS templates
  FROM inventory_version;
