SELECT name, hash FROM app_user ORDER BY name;
