SELECT name, created_at FROM app_user ORDER BY name;
