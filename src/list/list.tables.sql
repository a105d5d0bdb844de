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

CREATE UNIQUE INDEX IF NOT EXISTS member_open ON leadflow.member (lead_id, list_id) WHERE left_at IS NULL;
CREATE INDEX IF NOT EXISTS member_list ON leadflow.member (list_id) WHERE left_at IS NULL;
CREATE INDEX IF NOT EXISTS member_left ON leadflow.member (list_id, left_at) WHERE left_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS member_rep ON leadflow.member (rep_id) WHERE left_at IS NULL;

CREATE TABLE IF NOT EXISTS leadflow.hold (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    list_id bigint NOT NULL REFERENCES leadflow.list,
    until timestamptz,
    reason text,
    held_by text NOT NULL DEFAULT current_user,
    PRIMARY KEY (lead_id, list_id)
);
COMMENT ON TABLE leadflow.hold IS 'leads that may not come back to a list (保留)';
COMMENT ON COLUMN leadflow.hold.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.hold.list_id IS 'list (リスト)';
COMMENT ON COLUMN leadflow.hold.until IS 'when the hold ends; null until add_to_list lifts it (期限)';
COMMENT ON COLUMN leadflow.hold.reason IS 'why (理由)';
COMMENT ON COLUMN leadflow.hold.held_by IS 'role that holds it (登録者)';

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
