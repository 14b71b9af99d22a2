-- The eight KPIs for clean data and the default of every variable, as simple and as fast as DuckDB can compute them.
create temp macro as_of() as getvariable('as_of');

create temp table months as
with first as (
    select date_trunc('month', min(d))::date as m from (
        select min(sent_date) as d from proposals union all select min(signed_date) from contracts
        union all select min(start_date) from contracts union all select min(start_date) from projects
        union all select min(sent_date) from client_surveys union all select min(review_date) from peer_reviews)
)
select unnest(generate_series(m, date_trunc('month', as_of()), interval 1 month))::date as month from first;

create temp table periods as
with p as (
    select 'month' as grain, month as s, last_day(month) as e from months
    union all select 'trailing_12m', (month - interval 11 month)::date, last_day(month) from months
    union all select distinct 'quarter', date_trunc('quarter', month)::date,
        (date_trunc('quarter', month) + interval 3 month)::date - 1 from months
    union all select distinct 'year', date_trunc('year', month)::date,
        (date_trunc('year', month) + interval 12 month)::date - 1 from months
)
select row_number() over ()::int as pid, *, least(e, as_of()) as close, s - 1 as opening from p;

create temp table period_months as
select pid, month from periods, months where month between s and e;

create temp table fx as
select currency, rate_date as f, coalesce(lead(rate_date) over (partition by currency order by rate_date) - 1,
    date '9999-12-31') as t, rate::double as rate from fx_rates where currency <> 'VND'
union all select 'VND', date '0001-01-01', date '9999-12-31', 1.0;

create temp table people as
select staff_id, role, manager_id, valid_from as f, coalesce(lead(valid_from) over (partition by staff_id
    order by valid_from) - 1, date '9999-12-31') as t,
    is_active and role in ('account_executive', 'account_manager', 'senior_account_manager', 'account_director',
        'group_account_director') as acc
from staff;

create temp table chain as
with recursive c as (
    select staff_id, manager_id, f, t, acc from people where manager_id is not null
    union all
    select c.staff_id, p.manager_id, greatest(c.f, p.f), least(c.t, p.t), c.acc from c
    join people as p on p.staff_id = c.manager_id and p.manager_id is not null and c.f <= p.t and c.t >= p.f
)
select * from c;

create temp table managers as
select client_id, account_manager_id as m, valid_from as f, least(coalesce(lead(valid_from) over (partition by client_id
    order by valid_from) - 1, date '9999-12-31'), coalesce(valid_to, date '9999-12-31')) as t
from client_assignments;

create temp table live as
select contract_id, client_id, owner_id, kind, signed_date, start_date, end_date, amount * rate as money,
    case when cancelled_date <= as_of() then cancelled_date end as cancelled
from contracts join fx on contracts.currency = fx.currency and signed_date between f and t
where signed_date <= as_of();

create temp table records as
with revenue as (
    select live.*, coalesce(owner_id, m) as who, greatest(cancelled, signed_date) as g, end_date - start_date + 1 as days
    from live left join managers on live.client_id = managers.client_id and signed_date between f and t
    where kind in ('new_business', 'upsell', 'cross_sell')
), cost as (
    select project_id, sum(amount * rate) as cost from project_costs
    join fx on project_costs.currency = fx.currency and cost_date between f and t where cost_date <= as_of() group by 1
), due as (
    select *, case when agreed_due_date is not null and (agreed_on is null or agreed_on <= committed_due_date)
        then agreed_due_date else committed_due_date end as due from projects
), raw as (
    select 1 as k, who, null as client_id, signed_date as d, money as n, 0.0 as q, 1 as c from revenue
    union all select 1, who, null, g, -money * (case when g <= start_date then days when g > end_date then 0
        else end_date - g + 1 end / days), 0.0, 0 from revenue where cancelled is not null
    union all select 3, owner_id, client_id, due, (delivered_date <= due and delivered_date is not null)::int, 1, 1
        from due where due <= as_of() and (cancelled_date is null or cancelled_date > due)
    union all select 5, owner_id, client_id, sent_date, (outcome = 'won' and decided_date <= as_of())::int, 1, 1
        from proposals where sent_date <= as_of() and proposal_id not in (select supersedes_proposal_id from proposals
            where supersedes_proposal_id <> proposal_id and sent_date <= as_of())
    union all select 7, owner_id, client_id, delivered_date, cost, budget_amount * rate, 1 from projects
        join cost using (project_id) join fx on projects.currency = fx.currency and start_date between f and t
        where budget_amount > 0 and delivered_date <= as_of() and (cancelled_date is null or cancelled_date > as_of())
), survey as (
    select s.client_id, p.owner_id, sent_date, responded_date, (score - scale_min) / (scale_max - scale_min) as x
    from client_surveys as s left join projects as p using (project_id)
    where score is not null and responded_date <= as_of()
)
select k, coalesce(who, m) as who, d, date_trunc('month', d)::date as month, sum(n) as n, sum(q) as q, sum(c) as c from (
    select k, who, m, d, n, q, c from raw
    left join managers on raw.client_id = managers.client_id and d between f and t
    union all select 4, owner_id, m, responded_date, (x >= 0.75)::int, 1, 1 from survey
        left join managers on survey.client_id = managers.client_id and sent_date between f and t
) group by all;

-- Who counts a person's record of a day: scope, person.
create temp table monthly as
select k, month, 'own' as scope, who as p, sum(n) as n, sum(q) as q, sum(c) as c from records
    where who is not null group by all
union all select k, month, 'company', '', sum(n), sum(q), sum(c) from records group by all
union all select k, month, 'team', p, sum(n), sum(q), sum(c) from (
    select k, month, who as p, n, q, c from records where who is not null
    union all select k, month, manager_id, n, q, c from records join chain on who = staff_id and d between f and t)
    group by all;

create temp table active as
select distinct client_id, day from (
    select client_id, start_date as f, least(end_date, coalesce(cancelled - 1, end_date)) as l from live)
join (select opening as day from periods union select close from periods) on day between f and l + 30
where l >= f;

create temp table opening as
with o as (
    select pid, opening, m as who, count(*) as q,
        count(*) filter (where exists (from active as x where x.client_id = a.client_id and x.day = periods.close)) as kept,
        count(*) filter (where exists (from live as l where l.client_id = a.client_id and l.signed_date between s and close
            and kind in ('upsell', 'cross_sell') and (cancelled is null or cancelled > close))) as more
    from periods join active as a on a.day = opening
    left join managers on a.client_id = managers.client_id and opening between managers.f and managers.t
    group by all
)
select pid, 'own' as scope, who as p, kept, more, q from o where who is not null
union all select pid, 'company', '', sum(kept), sum(more), sum(q) from o group by all
union all select pid, 'team', p, sum(kept), sum(more), sum(q) from (
    select pid, who as p, kept, more, q from o where who is not null
    union all select pid, manager_id, kept, more, q from o join chain on who = staff_id and opening between f and t)
    group by all;

create temp table reviews as
with r as (
    select account_manager_id as who, reviewer_id as r, reviewer_department as dep, review_date as d,
        100 * (coalesce(teamwork_score, project_management_score) + coalesce(project_management_score, teamwork_score)
            - 2 * scale_min) / 2 / (scale_max - scale_min) as x
    from peer_reviews where review_date <= as_of() and reviewer_id <> account_manager_id
        and coalesce(teamwork_score, project_management_score) is not null
)
select scope, p, r, dep, date_trunc('month', d)::date as month, sum(x) as x, count(*) as n from (
    select 'own' as scope, who as p, r, dep, d, x from r
    union all select 'company', '', r, dep, d, x from r
    union all select 'team', who, r, dep, d, x from r
    union all select 'team', manager_id, r, dep, d, x from r join chain on who = staff_id and d between f and t)
group by all;

create temp table collaboration as
with dep as (
    select pid, scope, p, dep, sum(x) / sum(n) as x from (
        select scope, p, dep, month, sum(x) as x, sum(n) as n from reviews group by all)
    join period_months using (month) group by all
), who as (
    select pid, scope, p, count(distinct r) as c from (select distinct scope, p, r, month from reviews)
    join period_months using (month) group by all
)
select pid, scope, p, avg(x) as x, any_value(c) as c from dep join who using (pid, scope, p) group by all;

create temp table sums as
select k, pid, scope, p, sum(n) as n, sum(q) as q, sum(c) as c from monthly join period_months using (month) group by all
union all select 2, pid, scope, p, kept, q, q from opening
union all select 6, pid, scope, p, more, q, q from opening;

create temp table places as
select distinct pid, 'own' as scope, staff_id as p from people join periods on acc and f <= close and t >= s
union select pid, scope, p from sums where scope = 'own'
union select pid, scope, p from collaboration where scope = 'own'
union select distinct pid, 'team', manager_id from chain join periods on acc and f <= close and t >= s
union select pid, 'company', '' from periods;

create table kpi_values as
with k(k, kpi, reason) as (values
    (1, 'client_revenue', null), (2, 'client_retention_rate', 'no_opening_clients'),
    (3, 'on_time_delivery_rate', 'nothing_due'), (4, 'client_satisfaction', 'no_responses'),
    (5, 'contract_win_rate', 'no_proposals'), (6, 'upsell_cross_sell_rate', 'no_opening_clients'),
    (7, 'cost_to_budget_ratio', 'nothing_delivered'), (8, 'internal_collaboration_score', 'no_reviews'))
select kpi, scope, nullif(p, '') as staff_id, grain as period_grain, s as period_start, e as period_end,
    case k when 1 then coalesce(n, 0) when 8 then case when col.c >= 3 and e <= as_of() then x end else n / nullif(q, 0) end as value,
    case k when 8 then case when col.c >= 3 and e <= as_of() then x end else coalesce(n, 0) end as numerator,
    case when k not in (1, 8) then coalesce(q, 0) end as denominator,
    coalesce(case k when 8 then case when e <= as_of() then col.c end else sums.c end, 0)::bigint as sample_size,
    e > as_of() as is_provisional,
    case when k = 8 and col.c > 0 and e > as_of() then 'period_running'
        when k = 8 and col.c between 1 and 2 then 'too_few_raters'
        when k = 8 and coalesce(col.c, 0) = 0 or k between 2 and 7 and coalesce(q, 0) = 0 then reason end as null_reason
from places join periods using (pid) cross join k
left join sums using (k, pid, scope, p)
left join collaboration as col on k = 8 and col.pid = places.pid and col.scope = places.scope and col.p = places.p;
