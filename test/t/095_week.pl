# The week of the two lists, from one Monday to the next and the one after it, on a clock of
# its own: what people do, what comes by itself, line by line; and the same with the server
# killed again and again, two ticks at a time.
use strict;
use warnings;

use LeadflowTest;
use Test::More;

my $calm = node('calm');
my $shaken = node('shaken', restart_after_crash => 'on');

# 2099-01-12 is a Monday, and one of those on which the list of every two weeks is refreshed.
# Of the leads, the visits to come are there from the beginning: none is seen before its time.
my $setting = q{
    UPDATE leadflow.list SET created_at = '2099-01-11 12:00+09', owner = 'marketing';
    UPDATE leadflow.schedule SET created_at = '2099-01-11 12:00+09';
    INSERT INTO leadflow.setting (name, value) VALUES ('base_url', 'https://crm.example');
    INSERT INTO leadflow.rep (rep_id, name, email, manager_id) VALUES (1, '部長', 'bucho@us.example', NULL), (2, '田中', 'tanaka@us.example', 1), (3, '鈴木', 'suzuki@us.example', 1);
    INSERT INTO leadflow.campaign (campaign_id, name) VALUES (1, '資料請求');
    INSERT INTO leadflow.lead (lead_id, company, last_name, email, competitor, nurturing, rep_id, created_at)
    SELECT id, company, '様' || id, email, competitor, nurturing, rep, '2000-01-01'
      FROM (VALUES (1, '継続工業', 'a@a.example', false, true, NULL), (2, '商談電機', 'b@b.example', false, true, NULL), (3, '未着手商事', 'c@c.example', false, true, NULL),
                   (4, '木曜製作所', 'd@d.example', false, true, NULL), (5, '閲覧二回', 'e@e.example', false, true, NULL), (6, '申込なし', 'f@f.example', false, true, NULL),
                   (7, 'メールなし', NULL, false, true, NULL), (8, '競合', 'h@h.example', true, true, NULL), (9, '掘起物産', 'i@i.example', false, true, NULL),
                   (10, '最近架電', 'j@j.example', false, true, NULL), (11, '割振なし', 'k@k.example', false, true, NULL), (12, '水曜来訪', 'l@l.example', false, true, NULL),
                   (13, '長期商談', 'm@m.example', false, false, 2)) AS l (id, company, email, competitor, nurturing, rep);
    INSERT INTO leadflow.visit (lead_id, visited_at, pages)
    VALUES (1, '2099-01-05 10:00+09', 15), (2, '2099-01-11 23:59+09', 40), (3, '2098-12-13 00:00+09', 15), (4, '2099-01-09 10:00+09', 20), (5, '2099-01-08 10:00+09', 14), (5, '2099-01-09 10:00+09', 14),
           (6, '2099-01-08 10:00+09', 30), (7, '2099-01-08 10:00+09', 30), (8, '2099-01-08 10:00+09', 30), (9, '2099-01-08 10:00+09', 5), (10, '2099-01-08 10:00+09', 5), (11, '2099-01-08 10:00+09', 9),
           (12, '2099-01-08 10:00+09', 3), (12, '2099-01-14 21:00+09', 16), (13, '2099-01-14 11:00+09', 6), (4, '2099-01-20 10:00+09', 30);
    INSERT INTO leadflow.application (lead_id, campaign_id, applied_at) SELECT lead_id, 1, '2098-12-01' FROM leadflow.lead WHERE lead_id <> 6;
    INSERT INTO leadflow.activity (lead_id, fields, recorded_at, applied_at)
    SELECT id, jsonb_build_object('acted_on', day, 'kind', '電話', 'result', '継続フォロー'), day::timestamptz, day::timestamptz
      FROM (VALUES (9, '2098-11-13'), (10, '2098-11-14'), (11, '2098-06-01'), (11, '2098-10-01'), (13, '2098-09-01')) AS a (id, day);
    INSERT INTO leadflow.deal (lead_id, name, stage, rep_id, opened_at, stage_since) VALUES (13, '長い商談', '提案', 3, '2098-10-01', '2098-10-01');
    SELECT leadflow.create_rule('商談化を鈴木へ', '{"result": "商談化"}', '[{"create_task": "日程調整", "due_in": 2, "rep": "鈴木"}, {"notify": "marketing", "subject": "商談化"}]');
    UPDATE leadflow.rule SET enabled = true, done_through = '2099-01-11 12:00+09'};

# What people do, and when: what comes by itself at that hour has come.
my @people = (
    [ '01-12 10:00', '月曜: 割り振り', q{
        SELECT leadflow.assign('HOTリードリスト', '田中', leads => '{1,2}');
        SELECT leadflow.assign('HOTリードリスト', '鈴木', leads => '{3,4}');
        SELECT leadflow.assign('掘り起こしリードリスト', '鈴木', leads => '{9}')} ],
    [ '01-13 10:00', '火曜: 架電', q{
        SELECT leadflow.record_activity(1, '2099-01-13', '電話', '継続フォロー', '木曜に再度', next_contact_on => '2099-01-15', rep => '田中', list => 'HOTリードリスト', recorded_at => '2099-01-13 10:00+09')} ],
    [ '01-14 15:00', '水曜: 商談化', q{
        SELECT leadflow.record_activity(2, '2099-01-14', 'WEBミーティング', '商談化', '来週訪問', rep => '田中', list => 'HOTリードリスト', recorded_at => '2099-01-14 15:00+09',
            create_deal => '{"name": "導入", "amount": 1000000}', create_task => '{"title": "見積", "due_on": "2099-01-20"}')} ],
    [ '01-15 13:00', '木曜: リマインドの後', q{
        SELECT leadflow.record_activity(4, '2099-01-15', '電話', 'アーカイブ', rep => '鈴木', list => 'HOTリードリスト', recorded_at => '2099-01-15 13:00+09');
        SELECT leadflow.record_activity(1, '2099-01-15', '電話', '継続フォロー', '不在', next_contact_on => '2099-01-21', rep => '田中', list => 'HOTリードリスト', recorded_at => '2099-01-15 13:01+09')} ],
    [ '01-16 14:00', '金曜: 失注、不通の方へメール', q{
        SELECT leadflow.set_deal_stage(deal_id, '失注', '予算なし') FROM leadflow.deal WHERE name = '長い商談';
        SELECT leadflow.queue_mail('HOTリードリスト', '初回のご挨拶', segment => 'lead(company = ''未着手商事'')', name => '2099年3週')} ],
    [ '01-19 10:00', '次の月曜: 割り振り', q{
        SELECT leadflow.distribute('HOTリードリスト', 'even', '{田中}'::text[])} ],
    [ '01-20 11:00', '掘り起こしの架電', q{
        SELECT leadflow.record_activity(9, '2099-01-20', '電話', '商談化', rep => '鈴木', list => '掘り起こしリードリスト', recorded_at => '2099-01-20 11:00+09')} ],
);

# The clock: every hour of the first week, the times that matter of the second.
my @clock = ((map { my $day = $_; map { sprintf '01-%02d %02d:00', $day, $_ } 0 .. 23 } 12 .. 18),
    (map { my $day = $_; map { sprintf '01-%02d %02d:00', $day, $_ } 6, 7, 8, 9, 10, 11, 17 } 19 .. 26));
my %people = map { $_->[0] => $_ } @people;

# What came since the last time of asking.
my $news = q{
    WITH notice AS (
        UPDATE leadflow.notification AS n SET payload = n.payload || '{"seen": true}' WHERE NOT n.payload ? 'seen' RETURNING n.*
    ), stay AS (
        UPDATE leadflow.member AS m SET memo = concat(CASE WHEN m.left_at IS NOT NULL THEN 'left' ELSE 'entered' END) WHERE m.memo IS DISTINCT FROM CASE WHEN m.left_at IS NOT NULL THEN 'left' ELSE 'entered' END RETURNING m.*
    )
    SELECT line FROM (
        SELECT 1, l.name, s.lead_id, format('  %s %s %s%s', CASE WHEN left_at IS NULL THEN '＋' ELSE '－' END, l.name, d.company,
               CASE WHEN left_at IS NULL THEN ' 期限 ' || to_char(s.due_on, 'MM-DD') ELSE format(' %s %s', s.state, s.left_reason) END) FROM stay AS s JOIN leadflow.list AS l USING (list_id) JOIN leadflow.lead AS d USING (lead_id)
        UNION ALL
        SELECT 2, n.kind, coalesce(n.rep_id, 0), format('  ✉ %s: %s %s', coalesce(r.name, n.role, n.address), n.subject, n.payload ->> 'leads') FROM notice AS n LEFT JOIN leadflow.rep AS r USING (rep_id)
    ) AS n (what, name, id, line) ORDER BY what, name COLLATE "C", line COLLATE "C"};

sub tick
{
    my ($at) = @_;
    return "CALL leadflow.run_due('2099-$at+09')";
}

database($calm, 'week');
$calm->safe_psql('week', $setting);
my $transcript = '';
foreach my $at (@clock)
{
    my @lines;
    $calm->safe_psql('week', tick($at));
    push @lines, $calm->safe_psql('week', $news);
    if (my $doing = $people{$at})
    {
        push @lines, "  $doing->[1]";
        $calm->safe_psql('week', $doing->[2]);
        push @lines, $calm->safe_psql('week', $news);
    }
    @lines = grep { $_ ne '' } @lines;
    $transcript .= join("\n", $at, @lines) . "\n" if @lines;
}
is($transcript, <<'EOT', 'the week, line by line');
01-12 07:00
  ＋ HOTリードリスト 商談電機 期限 01-19
  ＋ HOTリードリスト 木曜製作所 期限 01-19
  ＋ HOTリードリスト 未着手商事 期限 01-19
  ＋ HOTリードリスト 継続工業 期限 01-19
  ＋ 掘り起こしリードリスト 割振なし 期限 01-26
  ＋ 掘り起こしリードリスト 掘起物産 期限 01-26
  ✉ inside_sales: 【リスト共有】HOTリードリスト 2099-01-12(月) 
  ✉ inside_sales: 【リスト共有】商談化リスト 2099-01-12(月) 
  ✉ inside_sales: 【リスト共有】掘り起こしリードリスト 2099-01-12(月) 
01-12 10:00
  月曜: 割り振り
01-13 10:00
  火曜: 架電
01-14 11:00
  ✉ 鈴木: 商談が長期化しているリードのWebアクセス 長期商談 様13 
01-14 15:00
  水曜: 商談化
  － HOTリードリスト 商談電機 done 商談化
  ✉ marketing: 商談化 商談電機 様2 
01-15 07:00
  ＋ 商談化リスト 商談電機
01-15 08:00
  ✉ 田中: 【再アプローチ】HOTリードリスト: 本日対応予定のリード 1件 {1}
01-15 09:00
  ✉ marketing: 【リマインド】商談化リスト: 未フォロー 1件 {2}
  ✉ marketing: 【リマインド】掘り起こしリードリスト: 未フォロー 1件 {11}
  ✉ 部長: 【リマインド】HOTリードリスト: 未フォロー 2件 {3,4}
  ✉ 部長: 【リマインド】掘り起こしリードリスト: 未フォロー 1件 {9}
  ✉ 鈴木: 【リマインド】HOTリードリスト: 未フォロー 2件 {3,4}
  ✉ 鈴木: 【リマインド】掘り起こしリードリスト: 未フォロー 1件 {9}
01-15 13:00
  木曜: リマインドの後
  － HOTリードリスト 木曜製作所 done アーカイブ
01-16 14:00
  金曜: 失注、不通の方へメール
  ✉ c@c.example: 未着手商事 様3様へのご案内 
01-16 17:00
  ✉ marketing: 【週次確認】HOTリードリスト: 未フォロー 1件 {3}
  ✉ marketing: 【週次確認】商談化リスト: 未フォロー 1件 {2}
  ✉ marketing: 【週次確認】掘り起こしリードリスト: 未フォロー 2件 {9,11}
01-18 08:00
  ✉ 田中: 【対応期限】HOTリードリスト: 明日が期限のリード 1件 {1}
  ✉ 鈴木: 【対応期限】HOTリードリスト: 明日が期限のリード 1件 {3}
01-19 07:00
  ＋ HOTリードリスト 水曜来訪 期限 01-26
  ✉ inside_sales: 【リスト共有】HOTリードリスト 2099-01-19(月) 
  ✉ inside_sales: 【リスト共有】商談化リスト 2099-01-19(月) 
01-19 10:00
  次の月曜: 割り振り
01-20 11:00
  掘り起こしの架電
  － 掘り起こしリードリスト 掘起物産 done 商談化
  ✉ marketing: 商談化 掘起物産 様9 
01-21 07:00
  ＋ 商談化リスト 掘起物産
01-21 08:00
  ✉ 田中: 【再アプローチ】HOTリードリスト: 本日対応予定のリード 1件 {1}
01-22 09:00
  ✉ marketing: 【リマインド】商談化リスト: 未フォロー 2件 {2,9}
  ✉ marketing: 【リマインド】掘り起こしリードリスト: 未フォロー 1件 {11}
  ✉ 田中: 【リマインド】HOTリードリスト: 未フォロー 1件 {12}
  ✉ 部長: 【リマインド】HOTリードリスト: 未フォロー 2件 {3,12}
  ✉ 鈴木: 【リマインド】HOTリードリスト: 未フォロー 1件 {3}
01-23 17:00
  ✉ marketing: 【週次確認】HOTリードリスト: 未フォロー 2件 {3,12}
  ✉ marketing: 【週次確認】商談化リスト: 未フォロー 2件 {2,9}
  ✉ marketing: 【週次確認】掘り起こしリードリスト: 未フォロー 1件 {11}
01-25 08:00
  ✉ marketing: 【対応期限】掘り起こしリードリスト: 明日が期限のリード 1件 {11}
  ✉ 田中: 【対応期限】HOTリードリスト: 明日が期限のリード 1件 {12}
01-26 07:00
  ＋ 掘り起こしリードリスト 最近架電 期限 02-09
  ＋ 掘り起こしリードリスト 長期商談 期限 02-09
  ✉ inside_sales: 【リスト共有】HOTリードリスト 2099-01-26(月) 
  ✉ inside_sales: 【リスト共有】商談化リスト 2099-01-26(月) 
  ✉ inside_sales: 【リスト共有】掘り起こしリードリスト 2099-01-26(月) 
EOT

sub bodies
{
    my ($key) = @_;
    return $calm->safe_psql('week', "SELECT string_agg(regexp_replace(body, 'lists/\\d+', 'lists/N'), E'----\\n' ORDER BY dedup_key COLLATE \"C\") FROM leadflow.notification WHERE dedup_key ~ '$key'");
}
my $hot = $calm->safe_psql('week', "SELECT list_id FROM leadflow.list WHERE name = 'HOTリードリスト'");
is(bodies("^リスト共有:$hot:2099-01-1"), <<'EOT', 'Monday: the list with its counts and its link');
インサイドセールス 各位

「HOTリードリスト」を更新しました。

更新日: 2099-01-12(月)
追加: 4件 / 除外: 0件 / 継続: 0件
現在の対象: 4件
目的: 期待値の高いリードを漏れなくフォローする
https://crm.example/lists/N

対応担当者の割り振りと、架電をお願いします。
----
インサイドセールス 各位

「HOTリードリスト」を更新しました。

更新日: 2099-01-19(月)
追加: 1件 / 除外: 0件 / 継続: 2件
現在の対象: 3件
目的: 期待値の高いリードを漏れなくフォローする
https://crm.example/lists/N

対応担当者の割り振りと、架電をお願いします。
EOT
is(bodies("^未フォローのリマインド:$hot:2099-01-15:rep 1"), <<'EOT', 'Thursday: what the manager is told');
部長 様

「HOTリードリスト」で、まだフォローできていないリードが 2件あります(2099-01-15(木) 現在)。

・未着手商事 様3(期限 2099-01-19、担当 鈴木)
・木曜製作所 様4(期限 2099-01-19、担当 鈴木)
https://crm.example/lists/N

対応後は、活動履歴の登録をお願いします。
EOT
is(bodies("^週末のフォロー漏れ確認:$hot:2099-01-16"), <<'EOT', 'Friday: the report');
マーケティング部 各位

「HOTリードリスト」の今週のフォロー状況です(2099-01-16(金) 現在)。

対象: 4件 / 対応済み: 3件 / 未フォロー: 1件

担当者別
・田中: 対応済み 2件 / 未フォロー 0件
・鈴木: 対応済み 1件 / 未フォロー 1件

未フォローのリード
・未着手商事 様3(期限 2099-01-19、担当 鈴木)
https://crm.example/lists/N
EOT

# What there is in the end, but for ids and for the clock of the machine.
my $state = q{
    SELECT format('%s %s %s %s %s %s', n.kind, n.dedup_key, n.subject, md5(n.body), n.payload - '{run_id,cause}'::text[], n.state) FROM leadflow.notification AS n WHERE n.kind <> 'rule'
    UNION ALL SELECT format('%s %s %s %s %s', n.kind, n.lead_id, coalesce(n.role, n.rep_id::text), n.subject, n.body) FROM leadflow.notification AS n WHERE n.kind = 'rule'
    UNION ALL SELECT format('member %s %s %s %s %s %s %s %s %s', m.lead_id, l.name, m.entered_at, m.left_at, m.state, m.left_reason, m.rep_id, m.due_on, m.next_contact_on) FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id)
    UNION ALL SELECT format('run %s %s %s %s %s %s', l.name, r.due_at, r.added, r.removed, r.kept, r.error) FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id)
    UNION ALL SELECT format('reminder %s %s', r.schedule, r.due_at) FROM leadflow.schedule_run AS r
    UNION ALL SELECT format('rule %s %s %s %s', r.name, g.lead_id, g.status, g.did) FROM leadflow.rule_log AS g JOIN leadflow.rule AS r USING (rule_id)
    UNION ALL SELECT format('task %s %s %s %s %s', lead_id, title, rep_id, note, status) FROM leadflow.task
    UNION ALL SELECT format('deal %s %s %s %s', lead_id, name, stage, lost_reason) FROM leadflow.deal
    UNION ALL SELECT format('mail %s %s', lead_id, subject) FROM leadflow.mail
    UNION ALL SELECT format('lead %s %s', lead_id, nurturing) FROM leadflow.lead};
$state = qq{SELECT line FROM ($state) AS s (line) ORDER BY line COLLATE "C"};

# All is delivered, and what leads were sent is on their timeline.
my $deliver = q{UPDATE leadflow.notification SET due_at = now() WHERE due_at > now();
    SELECT leadflow.ack(ARRAY(SELECT notification_id FROM leadflow.claim_notifications(1000)))};
is($calm->safe_psql('week', $deliver), $calm->safe_psql('week', 'SELECT count(*) FROM leadflow.notification'), 'all is delivered, once');
is($calm->safe_psql('week', $deliver), 0, 'and nothing is left');
is($calm->safe_psql('week', q{SELECT string_agg(concat_ws(' ', kind, what, list, rep, detail), E'\n' ORDER BY at, kind, what) FROM leadflow.lead_timeline WHERE lead_id IN (2, 3)}), <<'EOT' =~ s/\n\z//r, 'what was done with two leads');
assigned assign HOTリードリスト 田中
assigned assign HOTリードリスト 鈴木
deal opened 導入 HOTリードリスト 田中 ヒアリング
task 日程調整 HOTリードリスト 鈴木 来週訪問
task 見積 HOTリードリスト 田中 来週訪問
mail 未着手商事 様3様へのご案内 HOTリードリスト 2099年3週: 初回のご挨拶
application 資料請求 
application 資料請求 
visit 15 pages
visit 40 pages
entered HOTリードリスト postgres
entered HOTリードリスト postgres
activity WEBミーティング HOTリードリスト 田中 商談化: 来週訪問
left 商談化 HOTリードリスト 田中 postgres
entered 商談化リスト postgres
EOT
my $expected = $calm->safe_psql('week', $state);

seed();
database($shaken, 'week');
$shaken->safe_psql('week', $setting);
my $kills = 0;
foreach my $at (@clock)
{
    # few of the ticks that have nothing to do
    next unless $at =~ /(07|08|09|17):00/ || $people{$at} || $transcript =~ /^\Q$at\E$/m || rand() < 0.05;
    $kills++ if rand() < 0.1 && tick_twice($shaken, 'week', "2099-$at+09", rand(0.15));
    tick_twice($shaken, 'week', "2099-$at+09");
    $shaken->safe_psql('week', $news);
    next unless $people{$at};
    $shaken->safe_psql('week', $people{$at}[2]);
    $shaken->safe_psql('week', $news);
}
$shaken->safe_psql('week', $deliver);
is($shaken->safe_psql('week', $state), $expected, "$kills kills and two ticks at once change nothing");
cmp_ok($kills, '>', 0, 'there were kills');

$_->stop foreach $calm, $shaken;
done_testing();
