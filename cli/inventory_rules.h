/* inventory_rules: what one text of an inventory file may look like. Each returns NULL when it may,
 * else what is allowed, as the end of "must be ...". Pure. */
#ifndef OBPIPE_CLI_INVENTORY_RULES_H
#define OBPIPE_CLI_INVENTORY_RULES_H

const char *rule_text(const char *text); /* not empty, printable */
const char *rule_cluster_name(const char *text);
const char *rule_version(const char *text);    /* of OceanBase, "3.1.1" */
const char *rule_address(const char *text);    /* host name or IP */
const char *rule_user_name(const char *text);  /* of the host's */
const char *rule_login_name(const char *text); /* of the ingress's users */
const char *rule_key_file(const char *text);
const char *rule_host_key(const char *text);
const char *rule_url(const char *text);
const char *rule_rs_list(const char *text);
const char *rule_work_mode(const char *text);
const char *rule_status(const char *text);
const char *rule_kind(const char *text);
const char *rule_architecture(const char *text);
const char *rule_package_type(const char *text);
const char *rule_parameter_name(const char *text);
const char *rule_parameter_value(const char *text);
const char *rule_startup_value(const char *text);
const char *rule_password_hash(const char *text);

#endif
