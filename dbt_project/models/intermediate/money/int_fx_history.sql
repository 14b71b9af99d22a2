-- Grain: currency × valid_from. The rate that holds from one quotation until the next; the reporting currency counts 1.
select * from ({{ fx_history(ref('stg_fx_rates')) }}) as history
