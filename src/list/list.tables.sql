-- Lists, who is and was on them, and what refreshed them.

CREATE TABLE IF NOT EXISTS leadflow.list (
    list_id bigserial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    purpose text,
    kind text,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    talk_script text,
    visibility text[],
    owner text NOT NULL DEFAULT current_user,
    segment leadflow.segment,
    mode text NOT NULL DEFAULT 'add' CHECK (mode IN ('add', 'mirror')),
    cadence leadflow.cadence,
    zone text CHECK (zone IS NULL OR leadflow.local_date('epoch', zone) IS NOT NULL),
    due_after interval CHECK (due_after >= '0'),
    return_after interval NOT NULL DEFAULT '0' CHECK (return_after >= '0'),
    max_members integer CHECK (max_members >= 0),
    priority integer NOT NULL DEFAULT 0,
    exclusive boolean NOT NULL DEFAULT false,
    rotation jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT '-infinity',
    done_through timestamptz NOT NULL DEFAULT '-infinity',
    closed_at timestamptz
);
COMMENT ON TABLE leadflow.list IS 'lists of leads to be worked (リスト)';
COMMENT ON COLUMN leadflow.list.list_id IS 'key';
COMMENT ON COLUMN leadflow.list.name IS 'name, as verbs and segments refer to the list (リスト名)';
COMMENT ON COLUMN leadflow.list.purpose IS 'what the list is for (目的)';
COMMENT ON COLUMN leadflow.list.kind IS 'kind of approach (活動種別)';
COMMENT ON COLUMN leadflow.list.status IS 'open while it is worked, then closed (ステータス)';
COMMENT ON COLUMN leadflow.list.talk_script IS 'what to say on the phone (トークスクリプト)';
COMMENT ON COLUMN leadflow.list.visibility IS 'teams that may see the list; everyone when null (公開範囲)';
COMMENT ON COLUMN leadflow.list.owner IS 'role that is responsible (登録者)';
COMMENT ON COLUMN leadflow.list.segment IS 'which leads a refresh puts on the list; null for a list filled by hand (検索条件)';
COMMENT ON COLUMN leadflow.list.mode IS 'add: who matches is added and stays until worked; mirror: who no longer matches is taken off (更新方法)';
COMMENT ON COLUMN leadflow.list.cadence IS 'when the list is refreshed; null for by hand only (更新周期)';
COMMENT ON COLUMN leadflow.list.zone IS 'IANA time zone of its days; the installation''s when null (タイムゾーン)';
COMMENT ON COLUMN leadflow.list.due_after IS 'members are due this long after they enter (対応期限)';
COMMENT ON COLUMN leadflow.list.return_after IS 'a lead that left does not come back before this has passed (再登録までの期間)';
COMMENT ON COLUMN leadflow.list.max_members IS 'most open members; no limit when null (上限)';
COMMENT ON COLUMN leadflow.list.priority IS 'the higher goes first (優先度)';
COMMENT ON COLUMN leadflow.list.exclusive IS 'a refresh adds no lead that is on another such list of at least this priority (排他)';
COMMENT ON COLUMN leadflow.list.rotation IS 'what each rep is owed by past distributions, in millionths of a lead (割り振りの繰り越し)';
COMMENT ON COLUMN leadflow.list.created_at IS 'when the list was made (登録日時)';
COMMENT ON COLUMN leadflow.list.changed_at IS 'when a lead last entered or left (最終変更日時)';
COMMENT ON COLUMN leadflow.list.done_through IS 'the due time its last scheduled refresh was for';
COMMENT ON COLUMN leadflow.list.closed_at IS 'when the list was closed (終了日時)';

CREATE TABLE IF NOT EXISTS leadflow.refresh_run (
    run_id bigserial PRIMARY KEY,
    list_id bigint NOT NULL REFERENCES leadflow.list,
    due_at timestamptz,
    as_of timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    started timestamptz NOT NULL,
    finished timestamptz,
    added bigint,
    removed bigint,
    kept bigint,
    error text,
    UNIQUE (list_id, due_at)
);
COMMENT ON TABLE leadflow.refresh_run IS 'the ledger of refreshes (更新履歴)';
COMMENT ON COLUMN leadflow.refresh_run.run_id IS 'key';
COMMENT ON COLUMN leadflow.refresh_run.list_id IS 'list (リスト)';
COMMENT ON COLUMN leadflow.refresh_run.due_at IS 'time of the cadence it was for; null for a refresh by hand';
COMMENT ON COLUMN leadflow.refresh_run.as_of IS 'instant the segment was evaluated at (基準日時)';
COMMENT ON COLUMN leadflow.refresh_run.attempts IS 'how often it was tried (試行回数)';
COMMENT ON COLUMN leadflow.refresh_run.started IS 'when the last attempt began (開始)';
COMMENT ON COLUMN leadflow.refresh_run.finished IS 'when it succeeded (終了)';
COMMENT ON COLUMN leadflow.refresh_run.added IS 'leads that entered (追加)';
COMMENT ON COLUMN leadflow.refresh_run.removed IS 'leads that left (除外)';
COMMENT ON COLUMN leadflow.refresh_run.kept IS 'leads that were members before and after (継続)';
COMMENT ON COLUMN leadflow.refresh_run.error IS 'why the last attempt failed (エラー)';

CREATE TABLE IF NOT EXISTS leadflow.member (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    member_id bigserial,
    list_id bigint NOT NULL REFERENCES leadflow.list,
    entered_at timestamptz NOT NULL,
    entered_by text NOT NULL DEFAULT current_user,
    entered_reason text,
    left_at timestamptz CHECK (left_at >= entered_at),
    left_by text,
    left_reason text,
    run_id bigint REFERENCES leadflow.refresh_run,
    rep_id bigint REFERENCES leadflow.rep,
    assigned_at timestamptz,
    due_on date,
    next_contact_on date,
    state text NOT NULL DEFAULT 'not_started' CHECK (state IN ('not_started', 'in_progress', 'done')),
    memo text,
    settled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (lead_id, member_id)
);
COMMENT ON TABLE leadflow.member IS 'stays of leads on lists, past and present (リストのメンバー)';
COMMENT ON COLUMN leadflow.member.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.member.member_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.member.list_id IS 'list (リスト)';
COMMENT ON COLUMN leadflow.member.entered_at IS 'when the lead entered (追加日時)';
COMMENT ON COLUMN leadflow.member.entered_by IS 'role that added it (追加者)';
COMMENT ON COLUMN leadflow.member.entered_reason IS 'why, when added by hand (追加理由)';
COMMENT ON COLUMN leadflow.member.left_at IS 'when the lead left; null while it is a member (除外日時)';
COMMENT ON COLUMN leadflow.member.left_by IS 'role that removed it (除外者)';
COMMENT ON COLUMN leadflow.member.left_reason IS 'why it left (除外理由)';
COMMENT ON COLUMN leadflow.member.run_id IS 'refresh that added it; null when added by hand';
COMMENT ON COLUMN leadflow.member.rep_id IS 'rep in charge (担当者)';
COMMENT ON COLUMN leadflow.member.assigned_at IS 'when the rep was given it (割り振り日時)';
COMMENT ON COLUMN leadflow.member.due_on IS 'day by which it is to be worked (対応期限)';
COMMENT ON COLUMN leadflow.member.next_contact_on IS 'day of the next contact (次回対応日)';
COMMENT ON COLUMN leadflow.member.state IS 'not_started 未着手, in_progress 継続, done 完了 (状態)';
COMMENT ON COLUMN leadflow.member.memo IS 'free text (メモ)';
COMMENT ON COLUMN leadflow.member.settled IS 'a refresh has seen that the lead was worked and left';

CREATE UNIQUE INDEX IF NOT EXISTS member_open ON leadflow.member (lead_id, list_id) WHERE left_at IS NULL;
CREATE INDEX IF NOT EXISTS member_list ON leadflow.member (list_id) WHERE left_at IS NULL;
-- in the order in which next_lead() hands them out
CREATE INDEX IF NOT EXISTS member_next ON leadflow.member (list_id, next_contact_on, due_on, entered_at, lead_id) WHERE left_at IS NULL AND state <> 'done';
CREATE INDEX IF NOT EXISTS member_left ON leadflow.member (list_id, left_at) WHERE left_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS member_worked ON leadflow.member (list_id) WHERE state = 'done' AND left_at IS NOT NULL AND NOT settled;
CREATE INDEX IF NOT EXISTS member_rep ON leadflow.member (rep_id, list_id) WHERE left_at IS NULL;

CREATE TABLE IF NOT EXISTS leadflow.hold (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    list_id bigint NOT NULL REFERENCES leadflow.list,
    until timestamptz,
    reason text,
    held_by text NOT NULL DEFAULT current_user,
    worked boolean NOT NULL DEFAULT false,
    PRIMARY KEY (lead_id, list_id)
);
COMMENT ON TABLE leadflow.hold IS 'leads that may not come back to a list (保留)';
COMMENT ON COLUMN leadflow.hold.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.hold.list_id IS 'list (リスト)';
COMMENT ON COLUMN leadflow.hold.until IS 'when the hold ends; null until add_to_list lifts it (期限)';
COMMENT ON COLUMN leadflow.hold.reason IS 'why (理由)';
COMMENT ON COLUMN leadflow.hold.held_by IS 'role that holds it (登録者)';
COMMENT ON COLUMN leadflow.hold.worked IS 'the lead was worked: the hold ends with the refresh at which it no longer matches (対応済み)';

CREATE TABLE IF NOT EXISTS leadflow.assignment (
    lead_id bigint NOT NULL,
    assignment_id bigserial,
    member_id bigint NOT NULL,
    list_id bigint NOT NULL REFERENCES leadflow.list,
    from_rep_id bigint REFERENCES leadflow.rep,
    to_rep_id bigint REFERENCES leadflow.rep,
    assigned_at timestamptz NOT NULL DEFAULT now(),
    assigned_by text NOT NULL DEFAULT current_user,
    strategy text NOT NULL,
    reason text,
    PRIMARY KEY (lead_id, assignment_id),
    FOREIGN KEY (lead_id, member_id) REFERENCES leadflow.member
);
COMMENT ON TABLE leadflow.assignment IS 'every change of a member''s rep (割り振り履歴)';
COMMENT ON COLUMN leadflow.assignment.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.assignment.assignment_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.assignment.member_id IS 'stay on the list, together with lead_id (メンバー)';
COMMENT ON COLUMN leadflow.assignment.list_id IS 'list (リスト)';
COMMENT ON COLUMN leadflow.assignment.from_rep_id IS 'rep who had it; null for nobody (変更前の担当者)';
COMMENT ON COLUMN leadflow.assignment.to_rep_id IS 'rep who has it since; null for nobody (変更後の担当者)';
COMMENT ON COLUMN leadflow.assignment.assigned_at IS 'when (割り振り日時)';
COMMENT ON COLUMN leadflow.assignment.assigned_by IS 'role that did it (割り振り者)';
COMMENT ON COLUMN leadflow.assignment.strategy IS 'even, weighted, least_loaded, sticky or rules of distribute(); assign, next_lead; update for a plain UPDATE (方法)';
COMMENT ON COLUMN leadflow.assignment.reason IS 'why this rep (理由)';

CREATE INDEX IF NOT EXISTS assignment_rep ON leadflow.assignment (to_rep_id, assigned_at);

-- Nothing rests on it but the log of a plain UPDATE: the verbs keep the log themselves.
CREATE OR REPLACE TRIGGER member_log_assignments AFTER UPDATE ON leadflow.member
    REFERENCING OLD TABLE AS was NEW TABLE AS became
    FOR EACH STATEMENT EXECUTE FUNCTION leadflow.log_assignments();

CREATE TABLE IF NOT EXISTS leadflow.territory (
    territory_id bigserial PRIMARY KEY,
    list_id bigint REFERENCES leadflow.list,
    position integer NOT NULL,
    segment leadflow.segment NOT NULL,
    rep_id bigint REFERENCES leadflow.rep
);
COMMENT ON TABLE leadflow.territory IS 'rules of distribute(strategy => ''rules''): who gets which leads (担当ルール)';
COMMENT ON COLUMN leadflow.territory.territory_id IS 'key';
COMMENT ON COLUMN leadflow.territory.list_id IS 'list the rule is for; all lists when null (リスト)';
COMMENT ON COLUMN leadflow.territory.position IS 'place in the order of the rules: a list''s own come first, then the lower goes first (順番)';
COMMENT ON COLUMN leadflow.territory.segment IS 'which leads (検索条件)';
COMMENT ON COLUMN leadflow.territory.rep_id IS 'who gets them; evenly among the reps when null (担当者)';

CREATE OR REPLACE VIEW leadflow.assignment_queue WITH (security_invoker = true) AS
SELECT l.name AS list,
       m.lead_id,
       m.member_id,
       d.company,
       concat_ws(' ', d.last_name, d.first_name) AS name,
       m.entered_at,
       m.due_on,
       row_number() OVER (PARTITION BY m.list_id ORDER BY m.entered_at, m.lead_id) AS place
  FROM leadflow.member AS m
  JOIN leadflow.list AS l USING (list_id)
  JOIN leadflow.lead AS d USING (lead_id)
 WHERE m.left_at IS NULL AND m.state <> 'done'
   AND NOT d.do_not_contact AND d.deleted_at IS NULL AND d.merged_into IS NULL
   AND (m.rep_id IS NULL OR m.rep_id IN (SELECT r.rep_id FROM leadflow.rep AS r WHERE NOT r.active));
COMMENT ON VIEW leadflow.assignment_queue IS 'open members that nobody has, in the order in which they are distributed (割り振り待ち)';
COMMENT ON COLUMN leadflow.assignment_queue.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.assignment_queue.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.assignment_queue.member_id IS 'stay on the list, together with lead_id (メンバー)';
COMMENT ON COLUMN leadflow.assignment_queue.company IS 'company (会社名)';
COMMENT ON COLUMN leadflow.assignment_queue.name IS 'name (氏名)';
COMMENT ON COLUMN leadflow.assignment_queue.entered_at IS 'when the lead entered the list (追加日時)';
COMMENT ON COLUMN leadflow.assignment_queue.due_on IS 'day by which it is to be worked (対応期限)';
COMMENT ON COLUMN leadflow.assignment_queue.place IS 'place in the queue of the list (順番)';

CREATE OR REPLACE VIEW leadflow.assignment_history WITH (security_invoker = true) AS
SELECT a.lead_id,
       a.assignment_id,
       a.assigned_at,
       l.name AS list,
       d.company,
       concat_ws(' ', d.last_name, d.first_name) AS name,
       f.name AS from_rep,
       t.name AS to_rep,
       a.strategy,
       a.reason,
       a.assigned_by
  FROM leadflow.assignment AS a
  JOIN leadflow.list AS l USING (list_id)
  JOIN leadflow.lead AS d USING (lead_id)
  LEFT JOIN leadflow.rep AS f ON f.rep_id = a.from_rep_id
  LEFT JOIN leadflow.rep AS t ON t.rep_id = a.to_rep_id;
COMMENT ON VIEW leadflow.assignment_history IS 'who was given which lead, when and why, with names (割り振り履歴)';
COMMENT ON COLUMN leadflow.assignment_history.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.assignment_history.assignment_id IS 'key of the decision, together with lead_id: later ones are higher (割り振りID)';
COMMENT ON COLUMN leadflow.assignment_history.assigned_at IS 'when (割り振り日時)';
COMMENT ON COLUMN leadflow.assignment_history.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.assignment_history.company IS 'company (会社名)';
COMMENT ON COLUMN leadflow.assignment_history.name IS 'name (氏名)';
COMMENT ON COLUMN leadflow.assignment_history.from_rep IS 'rep who had it (変更前の担当者)';
COMMENT ON COLUMN leadflow.assignment_history.to_rep IS 'rep who has it since (変更後の担当者)';
COMMENT ON COLUMN leadflow.assignment_history.strategy IS 'how the rep was chosen (方法)';
COMMENT ON COLUMN leadflow.assignment_history.reason IS 'why this rep (理由)';
COMMENT ON COLUMN leadflow.assignment_history.assigned_by IS 'role that did it (割り振り者)';

IF first_time THEN
    INSERT INTO leadflow.list (name, purpose, segment, cadence, due_after)
    VALUES ('HOTリードリスト', '期待値の高いリードを漏れなくフォローする',
            'segment(''hot'')', 'weekly on monday at 07:00', '7 days'),
           ('掘り起こしリードリスト', '初回架電後に動きのあったリードを再度フォローする',
            'segment(''reengagement'')', 'every 2 weeks on monday at 07:00', '14 days')
    ON CONFLICT (name) DO NOTHING;
    INSERT INTO leadflow.list (name, purpose, segment, cadence, return_after)
    VALUES ('商談化リスト', 'アポイント/商談化したリードを営業部へ送客する',
            'segment(''appointment'')', 'daily at 07:00', '30 days')
    ON CONFLICT (name) DO NOTHING;
END IF;
