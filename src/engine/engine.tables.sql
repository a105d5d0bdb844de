-- Definitions kept under a name.

CREATE TABLE IF NOT EXISTS leadflow.saved_segment (
    name text PRIMARY KEY,
    segment leadflow.segment NOT NULL,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE leadflow.saved_segment IS 'segments kept under a name (保存した検索条件)';
COMMENT ON COLUMN leadflow.saved_segment.name IS 'name, as segment(''name'') refers to it';
COMMENT ON COLUMN leadflow.saved_segment.segment IS 'which leads';
COMMENT ON COLUMN leadflow.saved_segment.description IS 'what it is for (説明)';
COMMENT ON COLUMN leadflow.saved_segment.created_at IS 'when it was saved first';
COMMENT ON COLUMN leadflow.saved_segment.updated_at IS 'when it was saved last';

IF first_time THEN
    INSERT INTO leadflow.saved_segment (name, segment, description)
    VALUES
        ('hot',
         'visit(pages >= 15 and visited_at within 30 days) and application and not activity
          and lead(email is not null and not competitor and nurturing)',
         '期待値の高いリード: 30日以内に1回の訪問で15ページ以上閲覧・申込あり・活動履歴なし'),
        ('reengagement',
         'visit(pages >= 5 and visited_at within 30 days) and application
          and max(activity.acted_on) at least 60 days ago
          and lead(email is not null and not competitor and nurturing)',
         '掘り起こし: 30日以内に1回の訪問で5ページ以上閲覧・申込あり・最後の活動が60日以上前'),
        ('appointment',
         'activity(result = ''商談化'' and acted_on within 30 days)',
         'アポイント/商談化: 30日以内に活動結果が商談化となったリード')
    ON CONFLICT (name) DO NOTHING;
END IF;
