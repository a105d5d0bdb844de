-- What happened, per lead: lead_id leads every key.

CREATE TABLE IF NOT EXISTS leadflow.rep (
    rep_id bigserial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    email text,
    team text,
    db_role text,
    weight numeric NOT NULL DEFAULT 1 CHECK (weight >= 0),
    weekly_capacity integer CHECK (weekly_capacity >= 0),
    away_from date,
    away_until date,
    active boolean NOT NULL DEFAULT true,
    manager_id bigint CHECK (manager_id <> rep_id),
    CONSTRAINT rep_absence CHECK (away_from <= away_until)
);
COMMENT ON TABLE leadflow.rep IS 'sales people (営業担当者)';
COMMENT ON COLUMN leadflow.rep.rep_id IS 'key';
COMMENT ON COLUMN leadflow.rep.name IS 'name, as verbs and segments refer to the rep (氏名)';
COMMENT ON COLUMN leadflow.rep.email IS 'e-mail address (メールアドレス)';
COMMENT ON COLUMN leadflow.rep.team IS 'team (チーム)';
COMMENT ON COLUMN leadflow.rep.db_role IS 'database role the rep connects as (DBロール)';
COMMENT ON COLUMN leadflow.rep.weight IS 'share of a weighted distribution (配分比率)';
COMMENT ON COLUMN leadflow.rep.weekly_capacity IS 'leads the rep can take on a week; unlimited when null (週間上限)';
COMMENT ON COLUMN leadflow.rep.away_from IS 'first day of an absence (不在開始日)';
COMMENT ON COLUMN leadflow.rep.away_until IS 'last day of an absence (不在終了日)';
COMMENT ON COLUMN leadflow.rep.active IS 'takes part in distributions (有効)';
COMMENT ON COLUMN leadflow.rep.manager_id IS 'rep who is told what this one has left to do (上長)';
CREATE INDEX IF NOT EXISTS rep_db_role ON leadflow.rep (db_role);

CREATE TABLE IF NOT EXISTS leadflow.campaign (
    campaign_id bigserial PRIMARY KEY,
    name text NOT NULL,
    kind text,
    starts_on date,
    ends_on date,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE leadflow.campaign IS 'campaigns: seminars, white papers, exhibitions (キャンペーン)';
COMMENT ON COLUMN leadflow.campaign.campaign_id IS 'key';
COMMENT ON COLUMN leadflow.campaign.name IS 'name (キャンペーン名)';
COMMENT ON COLUMN leadflow.campaign.kind IS 'kind of campaign (種別)';
COMMENT ON COLUMN leadflow.campaign.starts_on IS 'first day (開始日)';
COMMENT ON COLUMN leadflow.campaign.ends_on IS 'last day (終了日)';
COMMENT ON COLUMN leadflow.campaign.created_at IS 'when it was recorded (登録日時)';

CREATE TABLE IF NOT EXISTS leadflow.lead (
    lead_id bigserial PRIMARY KEY CHECK (lead_id >= 0),
    external_id text,
    email text,
    company text,
    company_short text,
    last_name text,
    first_name text,
    department text,
    job_title text,
    phone text,
    postal_code text,
    prefecture text,
    address text,
    country text,
    industry text,
    employees integer,
    competitor boolean NOT NULL DEFAULT false,
    nurturing boolean NOT NULL DEFAULT true,
    email_opt_out boolean NOT NULL DEFAULT false,
    do_not_contact boolean NOT NULL DEFAULT false,
    rep_id bigint REFERENCES leadflow.rep,
    fields jsonb NOT NULL DEFAULT '{}',
    form_version integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    merged_into bigint CHECK (merged_into <> lead_id)
);
COMMENT ON TABLE leadflow.lead IS 'leads: people who may become customers (リード)';
COMMENT ON COLUMN leadflow.lead.lead_id IS 'key';
COMMENT ON COLUMN leadflow.lead.external_id IS 'id in another system (外部ID)';
COMMENT ON COLUMN leadflow.lead.email IS 'e-mail address (メールアドレス)';
COMMENT ON COLUMN leadflow.lead.company IS 'company (会社名)';
COMMENT ON COLUMN leadflow.lead.company_short IS 'company, abbreviated (会社名略称)';
COMMENT ON COLUMN leadflow.lead.last_name IS 'family name (姓)';
COMMENT ON COLUMN leadflow.lead.first_name IS 'given name (名)';
COMMENT ON COLUMN leadflow.lead.department IS 'department (部署)';
COMMENT ON COLUMN leadflow.lead.job_title IS 'job title (役職)';
COMMENT ON COLUMN leadflow.lead.phone IS 'phone number (電話番号)';
COMMENT ON COLUMN leadflow.lead.postal_code IS 'postal code (郵便番号)';
COMMENT ON COLUMN leadflow.lead.prefecture IS 'prefecture (都道府県)';
COMMENT ON COLUMN leadflow.lead.address IS 'rest of the address (住所)';
COMMENT ON COLUMN leadflow.lead.country IS 'country (国)';
COMMENT ON COLUMN leadflow.lead.industry IS 'industry (業種)';
COMMENT ON COLUMN leadflow.lead.employees IS 'number of employees (従業員数)';
COMMENT ON COLUMN leadflow.lead.competitor IS 'works for a competitor (競合)';
COMMENT ON COLUMN leadflow.lead.nurturing IS 'may be nurtured (ナーチャリング対象)';
COMMENT ON COLUMN leadflow.lead.email_opt_out IS 'wants no mass e-mail (メール配信停止)';
COMMENT ON COLUMN leadflow.lead.do_not_contact IS 'must not be contacted: enters no list (連絡不可)';
COMMENT ON COLUMN leadflow.lead.rep_id IS 'sales person in charge (営業担当者)';
COMMENT ON COLUMN leadflow.lead.fields IS 'further fields (追加項目)';
COMMENT ON COLUMN leadflow.lead.form_version IS 'version of the form the fields were entered under; 0 for none';
COMMENT ON COLUMN leadflow.lead.created_at IS 'when the lead was acquired (登録日時)';
COMMENT ON COLUMN leadflow.lead.updated_at IS 'when the lead was last changed (更新日時)';
COMMENT ON COLUMN leadflow.lead.deleted_at IS 'when the lead was deleted: it is in no segment, whatever the instant of evaluation (削除日時)';
COMMENT ON COLUMN leadflow.lead.merged_into IS 'lead this one was merged into (統合先)';

-- merged_into and manager_id have no foreign key: one to the table itself would make
-- a data-only dump unrestorable.
CREATE INDEX IF NOT EXISTS lead_email ON leadflow.lead (email);
CREATE INDEX IF NOT EXISTS lead_external_id ON leadflow.lead (external_id);
CREATE INDEX IF NOT EXISTS lead_company ON leadflow.lead (company);
CREATE INDEX IF NOT EXISTS lead_rep ON leadflow.lead (rep_id);

CREATE OR REPLACE TRIGGER lead_updated BEFORE UPDATE ON leadflow.lead
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION leadflow.note_update();

CREATE TABLE IF NOT EXISTS leadflow.visit (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    visit_id bigserial,
    visited_at timestamptz NOT NULL,
    pages integer NOT NULL DEFAULT 1,
    duration interval,
    entry_url text,
    referrer text,
    fields jsonb NOT NULL DEFAULT '{}',
    -- the last visit of a lead is found without reading them
    PRIMARY KEY (lead_id, visit_id) INCLUDE (visited_at)
);
COMMENT ON TABLE leadflow.visit IS 'web sessions of leads (トラッキング)';
COMMENT ON COLUMN leadflow.visit.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.visit.visit_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.visit.visited_at IS 'when the session began (訪問日時)';
COMMENT ON COLUMN leadflow.visit.pages IS 'pages viewed (閲覧ページ数)';
COMMENT ON COLUMN leadflow.visit.duration IS 'time from the first to the last page (滞在時間)';
COMMENT ON COLUMN leadflow.visit.entry_url IS 'first page (入口ページ)';
COMMENT ON COLUMN leadflow.visit.referrer IS 'where the lead came from (参照元)';
COMMENT ON COLUMN leadflow.visit.fields IS 'further fields (追加項目)';

-- With what segments ask of visits most often, so that those of the last few
-- weeks are found without a look at the table.
CREATE INDEX IF NOT EXISTS visit_visited_at ON leadflow.visit (visited_at, pages) INCLUDE (lead_id);

CREATE TABLE IF NOT EXISTS leadflow.application (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    application_id bigserial,
    campaign_id bigint REFERENCES leadflow.campaign,
    applied_at timestamptz NOT NULL DEFAULT now(),
    status text,
    source text,
    fields jsonb NOT NULL DEFAULT '{}',
    form_version integer NOT NULL DEFAULT 0,
    PRIMARY KEY (lead_id, application_id)
);
COMMENT ON TABLE leadflow.application IS 'applications of leads to campaigns (申込)';
COMMENT ON COLUMN leadflow.application.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.application.application_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.application.campaign_id IS 'campaign (キャンペーン)';
COMMENT ON COLUMN leadflow.application.applied_at IS 'when the lead applied (申込日時)';
COMMENT ON COLUMN leadflow.application.status IS 'status (ステータス)';
COMMENT ON COLUMN leadflow.application.source IS 'where the application came from (流入元)';
COMMENT ON COLUMN leadflow.application.fields IS 'further fields (追加項目)';
COMMENT ON COLUMN leadflow.application.form_version IS 'version of the form the fields were entered under; 0 for none';

CREATE INDEX IF NOT EXISTS application_applied_at ON leadflow.application (applied_at);
CREATE INDEX IF NOT EXISTS application_campaign ON leadflow.application (campaign_id);

CREATE TABLE IF NOT EXISTS leadflow.form_version (
    entity text NOT NULL,
    version integer NOT NULL,
    form leadflow.form NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL DEFAULT current_user,
    PRIMARY KEY (entity, version)
);
COMMENT ON TABLE leadflow.form_version IS 'the forms that are and were in force (フォームの版)';
COMMENT ON COLUMN leadflow.form_version.entity IS 'table whose fields the form is for: activity, application, deal or lead';
COMMENT ON COLUMN leadflow.form_version.version IS 'version; the highest is in force';
COMMENT ON COLUMN leadflow.form_version.form IS 'the form';
COMMENT ON COLUMN leadflow.form_version.applied_at IS 'when it was put in force';
COMMENT ON COLUMN leadflow.form_version.applied_by IS 'role that put it in force';

IF first_time THEN
    PERFORM leadflow.set_form('lead', 'tags "タグ" multiselect');
END IF;
PERFORM leadflow.form_view('lead');
PERFORM leadflow.form_view('application');
