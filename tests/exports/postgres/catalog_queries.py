"""What tools ask a database before anybody can query it: short excerpts of their published code, as test data.

`%(schema)s` and `%(table)s` are set by the tests; everything else is as the tool sends it.
"""

# metabase/metabase, src/metabase/driver/postgres.clj: get-tables-sql, as HoneySQL writes it.
METABASE_TABLES = """
select n.nspname as schema, c.relname as name,
    case c.relkind when 'r' then 'TABLE' when 'p' then 'PARTITIONED TABLE' when 'v' then 'VIEW'
        when 'f' then 'FOREIGN TABLE' when 'm' then 'MATERIALIZED VIEW' else null end as type,
    d.description as description, stat.n_live_tup as estimated_row_count
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
left join pg_catalog.pg_description as d on c.oid = d.objoid and d.objsubid = 0 and d.classoid = 'pg_class'::regclass
left join pg_stat_user_tables as stat on n.nspname = stat.schemaname and c.relname = stat.relname
where c.relnamespace = n.oid and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and c.relkind in ('r', 'p', 'v', 'f', 'm') and n.nspname in (%(schema)s)
order by type, schema, name"""

# The same file: current-user-table-privileges. Tables without the right to select are left out.
METABASE_PRIVILEGES = """
with table_privileges as (
 select
   NULL as role,
   t.schemaname as schema,
   t.objectname as table,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' ||
     replace(t.objectname, '"', '""') || '"',  'select') as select,
   pg_catalog.has_table_privilege(     current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' ||
     replace(t.objectname, '"', '""') || '"',  'delete') as delete
 from (
   select schemaname, tablename as objectname from pg_catalog.pg_tables
   union
   select schemaname, viewname as objectname from pg_catalog.pg_views
   union
   select schemaname, matviewname as objectname from pg_catalog.pg_matviews
 ) t
 where t.schemaname !~ '^pg_'
   and t.schemaname <> 'information_schema'
   and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')
)
select t.* from table_privileges t"""

# The same file: describe-fields-sql, without the part on materialized views.
METABASE_FIELDS = """
select c.column_name as name,
    case when c.udt_schema in ('public', 'pg_catalog') then format('%%s', c.udt_name)
        else format('"%%s"."%%s"', c.udt_schema, c.udt_name) end as "database-type",
    c.table_name as "table-name", pk.column_name is not null as "pk?",
    col_description(cast(cast(format('%%I.%%I', cast(c.table_schema as text), cast(c.table_name as text)) as regclass)
        as oid), c.ordinal_position) as "field-comment"
from information_schema.columns as c
left join (
    select tc.table_schema, tc.table_name, kc.column_name
    from information_schema.table_constraints as tc
    inner join information_schema.key_column_usage as kc on tc.constraint_name = kc.constraint_name
        and tc.table_schema = kc.table_schema and tc.table_name = kc.table_name
    where tc.constraint_type = 'PRIMARY KEY'
) as pk on c.table_schema = pk.table_schema and c.table_name = pk.table_name and c.column_name = pk.column_name
where c.table_schema !~ '^information_schema|catalog_history|pg_' and c.table_schema in (%(schema)s)
order by c.table_schema, c.table_name, c.ordinal_position"""

# pgjdbc/pgjdbc, PgDatabaseMetaData.java: getPrimaryKeys.
PGJDBC_KEYS = """
SELECT result.TABLE_NAME, result.COLUMN_NAME FROM (
 SELECT n.nspname AS TABLE_SCHEM, ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME,
   (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, ci.relname AS PK_NAME,
   information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM
 FROM pg_catalog.pg_class ct
   JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)
   JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid)
   JOIN pg_catalog.pg_index i ON ( a.attrelid = i.indrelid)
   JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid)
 WHERE true AND n.nspname = %(schema)s AND i.indisprimary
) result
where result.A_ATTNUM = (result.KEYS).x
ORDER BY result.table_name, result.pk_name, result.key_seq"""

# postgresql-interfaces/psqlodbc, info.c: SQLPrimaryKeys.
PSQLODBC_KEY = """
select ta.attname, ia.attnum from pg_catalog.pg_attribute ta, pg_catalog.pg_attribute ia, pg_catalog.pg_class c,
 pg_catalog.pg_index i, pg_catalog.pg_namespace n where c.relname = %(table)s AND n.nspname = %(schema)s
 AND c.oid = i.indrelid AND n.oid = c.relnamespace AND i.indisprimary = 't' AND ia.attrelid = i.indexrelid
 AND ta.attrelid = i.indrelid AND ta.attnum = i.indkey[ia.attnum-1] AND (NOT ta.attisdropped)
 AND (NOT ia.attisdropped) order by ia.attnum"""

# What Power BI's navigator sends through Npgsql, as two servers that speak its protocol have recorded it:
# cube-js/cube, rust/cubesql (tests named powerbi_...), and ravendb/ravendb, PowerBIConfig.cs.
POWER_BI_TABLES = """
select TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE
from INFORMATION_SCHEMA.tables
where TABLE_SCHEMA not in ('information_schema', 'pg_catalog')
order by TABLE_SCHEMA, TABLE_NAME"""
POWER_BI_COLUMNS = """
select COLUMN_NAME, ORDINAL_POSITION, IS_NULLABLE,
 case when (data_type like '%%unsigned%%') then DATA_TYPE || ' unsigned' else DATA_TYPE end as DATA_TYPE
from INFORMATION_SCHEMA.columns
where TABLE_SCHEMA = %(schema)s and TABLE_NAME = %(table)s
order by TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"""
POWER_BI_KEYS = """
select i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME as INDEX_NAME, ii.COLUMN_NAME, ii.ORDINAL_POSITION,
 case when i.CONSTRAINT_TYPE = 'PRIMARY KEY' then 'Y' else 'N' end as PRIMARY_KEY
from INFORMATION_SCHEMA.table_constraints i inner join INFORMATION_SCHEMA.key_column_usage ii
 on i.CONSTRAINT_SCHEMA = ii.CONSTRAINT_SCHEMA and i.CONSTRAINT_NAME = ii.CONSTRAINT_NAME
 and i.TABLE_SCHEMA = ii.TABLE_SCHEMA and i.TABLE_NAME = ii.TABLE_NAME
where i.TABLE_SCHEMA = %(schema)s and i.TABLE_NAME = %(table)s and i.CONSTRAINT_TYPE in ('PRIMARY KEY', 'UNIQUE')
order by i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME, ii.TABLE_SCHEMA, ii.TABLE_NAME, ii.ORDINAL_POSITION"""
POWER_BI_FOREIGN_KEYS = """
select pkcol.COLUMN_NAME as PK_COLUMN_NAME, fkcol.TABLE_SCHEMA AS FK_TABLE_SCHEMA, fkcol.TABLE_NAME AS FK_TABLE_NAME,
 fkcol.COLUMN_NAME as FK_COLUMN_NAME, fkcol.ORDINAL_POSITION as ORDINAL,
 fkcon.CONSTRAINT_SCHEMA || '_' || fkcol.TABLE_NAME || '_' || %(table)s || '_' || fkcon.CONSTRAINT_NAME as FK_NAME
from (select distinct constraint_catalog, constraint_schema, unique_constraint_schema, constraint_name,
  unique_constraint_name from INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS) fkcon
 inner join INFORMATION_SCHEMA.KEY_COLUMN_USAGE fkcol on fkcon.CONSTRAINT_SCHEMA = fkcol.CONSTRAINT_SCHEMA
  and fkcon.CONSTRAINT_NAME = fkcol.CONSTRAINT_NAME
 inner join INFORMATION_SCHEMA.KEY_COLUMN_USAGE pkcol on fkcon.UNIQUE_CONSTRAINT_SCHEMA = pkcol.CONSTRAINT_SCHEMA
  and fkcon.UNIQUE_CONSTRAINT_NAME = pkcol.CONSTRAINT_NAME
where pkcol.TABLE_SCHEMA = %(schema)s and pkcol.TABLE_NAME = %(table)s
 and pkcol.ORDINAL_POSITION = fkcol.ORDINAL_POSITION
order by FK_NAME, fkcol.ORDINAL_POSITION"""
