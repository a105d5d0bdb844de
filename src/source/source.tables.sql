-- What the names in a segment mean.

CREATE TABLE IF NOT EXISTS leadflow.source (
    name text PRIMARY KEY,
    label text,
    relation text NOT NULL,
    lead_column text NOT NULL DEFAULT 'lead_id',
    key_column text,
    time_column text,
    labels jsonb NOT NULL DEFAULT '{}',
    lookups jsonb NOT NULL DEFAULT '{}',
    settles_after interval
);
COMMENT ON TABLE leadflow.source IS 'relations whose records segments speak of (検索対象)';
COMMENT ON COLUMN leadflow.source.name IS 'name in segments';
COMMENT ON COLUMN leadflow.source.label IS 'name in the language of the users (表示名)';
COMMENT ON COLUMN leadflow.source.relation IS 'qualified name of the table or view';
COMMENT ON COLUMN leadflow.source.lead_column IS 'its column with the lead';
COMMENT ON COLUMN leadflow.source.key_column IS 'its column that tells the records of a lead apart';
COMMENT ON COLUMN leadflow.source.time_column IS 'its event time: a record exists from then on';
COMMENT ON COLUMN leadflow.source.labels IS 'labels of its columns: {"pages": "閲覧ページ数"}';
COMMENT ON COLUMN leadflow.source.lookups IS 'fields that are names in small tables: {"rep": {"column": "rep_id", "relation": "leadflow.rep", "key": "rep_id", "name": "name", "label": "営業担当者"}}';
COMMENT ON COLUMN leadflow.source.settles_after IS 'records are only ever added, and come at most this long after their event time; null where triggers tell of writes';

IF first_time THEN
    INSERT INTO leadflow.source (name, label, relation, key_column, time_column, labels, lookups)
    VALUES
        ('lead', 'リード', 'leadflow.lead', 'lead_id', 'created_at',
         '{"lead_id": "リードID", "external_id": "外部ID", "email": "メールアドレス", "company": "会社名",
           "company_short": "会社名略称", "last_name": "姓", "first_name": "名", "department": "部署",
           "job_title": "役職", "phone": "電話番号", "postal_code": "郵便番号", "prefecture": "都道府県",
           "address": "住所", "country": "国", "industry": "業種", "employees": "従業員数",
           "competitor": "競合", "nurturing": "ナーチャリング対象", "email_opt_out": "メール配信停止",
           "do_not_contact": "連絡不可", "created_at": "登録日時", "updated_at": "更新日時"}',
         '{"rep": {"column": "rep_id", "relation": "leadflow.rep", "key": "rep_id", "name": "name",
                   "label": "営業担当者"}}'),
        ('visit', 'トラッキング', 'leadflow.visit', 'visit_id', 'visited_at',
         '{"visited_at": "訪問日時", "pages": "閲覧ページ数", "duration": "滞在時間",
           "entry_url": "入口ページ", "referrer": "参照元"}', '{}'),
        ('application', '申込', 'leadflow.application', 'application_id', 'applied_at',
         '{"applied_at": "申込日時", "status": "ステータス", "source": "流入元"}',
         '{"campaign": {"column": "campaign_id", "relation": "leadflow.campaign", "key": "campaign_id",
                        "name": "name", "label": "キャンペーン"}}'),
        ('activity', '活動履歴', 'leadflow.activity', 'activity_id', 'acted_on',
         '{"acted_on": "日付", "kind": "種別", "action": "作業内容", "result": "活動結果",
           "source": "活動ソース", "content": "内容", "note": "その他", "next_contact_on": "次回対応日",
           "recorded_at": "登録日時"}',
         '{"rep": {"column": "rep_id", "relation": "leadflow.rep", "key": "rep_id", "name": "name",
                   "label": "活動者"},
           "list": {"column": "list_id", "relation": "leadflow.list", "key": "list_id", "name": "name",
                    "label": "リスト"}}'),
        ('deal', '商談', 'leadflow.deal', 'deal_id', 'opened_at',
         '{"external_id": "外部ID", "name": "商談名", "stage": "商談ステージ", "amount": "金額",
           "opened_at": "商談開始日時", "expected_close_on": "完了予定日", "closed_at": "完了日時",
           "lost_reason": "失注理由"}',
         '{"rep": {"column": "rep_id", "relation": "leadflow.rep", "key": "rep_id", "name": "name",
                   "label": "担当者"},
           "list": {"column": "list_id", "relation": "leadflow.list", "key": "list_id", "name": "name",
                    "label": "リスト"}}'),
        ('task', 'タスク', 'leadflow.task', 'task_id', 'created_at',
         '{"title": "件名", "due_on": "期限", "status": "状態", "note": "備考", "created_at": "登録日時",
           "done_at": "完了日時"}',
         '{"rep": {"column": "rep_id", "relation": "leadflow.rep", "key": "rep_id", "name": "name",
                   "label": "担当者"},
           "list": {"column": "list_id", "relation": "leadflow.list", "key": "list_id", "name": "name",
                    "label": "リスト"}}'),
        ('mail', 'メール', 'leadflow.mail', 'mail_id', 'sent_at',
         '{"template": "テンプレート", "subject": "件名", "address": "送信先", "sent_at": "送信日時"}',
         '{"mailing": {"column": "mailing_id", "relation": "leadflow.mailing", "key": "mailing_id",
                       "name": "name", "label": "一斉配信"}}')
    ON CONFLICT (name) DO NOTHING;
END IF;
