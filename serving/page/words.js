// All words of the page in both languages, and numbers in the style of each.

import { own } from "./own.js";

const EN = {
  skip: "Skip to the input",
  "language.other": "日本語",
  "theme.dark": "Dark",
  "theme.light": "Light",
  "theme.label": "Switch to {theme} mode",
  served: "{use_case} · version {version} · {candidate}",
  input: "Your input",
  "input.image": "Draw here",
  "input.photo": "Choose a picture",
  "input.text": "Type here",
  "input.table": "Fill in the fields",
  clear: "Clear",
  example: "Use an example",
  "canvas.label": "Drawing area for {name}. The arrow keys move the pen; space lowers and lifts it.",
  "canvas.hint": "Draw with a mouse, pen or finger. On a keyboard, the arrow keys move the pen (faster with Shift), and space lowers and lifts it.",
  "photo.label": "Choose a file for {name}",
  "photo.choose": "Choose a file, take a photo, or drop one here",
  "photo.hint": "The model sees it scaled to {width} × {height} pixels, so let the subject fill the picture.",
  "photo.preview": "Your picture: {name}",
  "photo.unreadable": "This browser can't read that file as a picture. Choose a JPEG or PNG file.",
  "pen.down": "Pen down",
  "pen.up": "Pen up",
  optional: "optional",
  "field.range": "{minimum} to {maximum}",
  "field.from": "at least {minimum}",
  "field.to": "at most {maximum}",
  "field.number": "a number",
  "field.date": "a date",
  "field.invalid": "No answer: the value must be {allowed}.",
  "field.missing": "No answer: this field needs a value.",
  "field.length": "up to {count} characters",
  "field.too_long": "No answer: {given} characters are more than the {count} that the model takes.",
  answer: "Answer",
  waiting: "Enter an input, and the answer appears here.",
  sure: "{share} sure",
  spoken: "{name}: {answer}. {decision}.",
  machine: "Answered by the machine",
  person: "Checked by a person",
  "interval": "{level} interval: {low} to {high}",
  "because.machine": "An error by the machine is expected to cost {error} yen here, no more than a check ({check} yen).",
  "because.person": "An error by the machine is expected to cost more here than a check ({check} yen).",
  "because.unseen": "Training never saw this: {fields}. Nobody has measured how good the model is there.",
  "because.none": "This model has no decision policy: the machine answers everything.",
  yen: "{yen} yen",
  "yen.means": "expected savings compared with manual work ({by_hand} yen per item)",
  "yen.lost": "expected result compared with manual work ({by_hand} yen per item)",
  "feedback.class": "What is it really?",
  "feedback.value": "What is the true value?",
  "feedback.keys": "Click the right one, or press its key.",
  "feedback.send": "Send",
  "feedback.choose": "Choose…",
  "thanks.right": "Stored: {label}. The answer was right.",
  "thanks.wrong": "Stored: {label}. The answer was wrong; the next training run can learn from it.",
  "thanks.stored": "Stored: {label}.",
  "explain.image": "What the model saw, and what mattered",
  "explain.fields": "What mattered",
  "explain.for": "evidence for {of}",
  "explain.against": "evidence against {of}",
  "explain.raises": "raises the value",
  "explain.lowers": "lowers the value",
  "explain.little": "makes little difference",
  "explain.how.image": "Each pixel was blanked out in turn; the colour shows how much the answer fell without it.",
  "explain.how.photo": "Each small square was greyed out in turn; the colour shows how much the answer fell without it.",
  "explain.how.text": "Each word was left out in turn; the colour shows how much the answer fell without it.",
  "explain.how.table": "Each field was set to its typical value in turn; the bar shows how much the answer fell.",
  "explain.alt": "The {rows} by {columns} pixels that the model saw. {supporting} are evidence for {of}, {against} are evidence against it; the strongest is in row {row}, column {column}.",
  "explain.seen": "what the model saw",
  "explain.mattered": "what mattered",
  live: "Live, since the server started",
  "live.predictions": "answers",
  "live.by_machine": "answered by the machine",
  "live.expected_yen": "expected savings in yen",
  "live.feedback": "true labels received",
  "live.feedback_right": "accuracy on these labels",
  "live.uptime": "uptime",
  "live.log_dropped": "answers missing from the log",
  card: "Model card",
  "card.intended": "Intended use",
  "card.not_for": "Not intended for",
  "card.data": "Data",
  "card.prices": "Prices",
  "prices.list": "Manual work costs {by_hand_yen} yen per item, a check {check_yen} yen, an undetected error {error_yen} yen. {more}",
  figures: "Metrics on test data that training never saw",
  versions: "Versions",
  "versions.caption": "Versions in the store",
  "versions.version": "version",
  "versions.candidate": "model",
  "versions.created": "registered",
  "versions.served": "serving",
  refusal: "The server refused a bundle: {reason}",
  docs: "API documentation",
  lineage: "bundle {digest}, commit {commit}, data {data}",
  "duration.seconds": "{n} s",
  "duration.minutes": "{n} min",
  "duration.hours": "{n} h",
  "duration.days": "{n} d",
  "key.title": "API key required",
  "key.text": "This server only answers requests with an API key. The key is kept until you close this tab.",
  "key.label": "API key",
  "key.send": "Continue",
  "key.empty": "Enter a key.",
  "key.wrong": "The server did not accept that key. Check that you copied all of it.",
  "key.forbidden": "“{character}” can't be in a key: keys consist of unaccented letters, digits and plain symbols only. Copy it again from where it was created.",
  "error.unreachable": "The server can't be reached.",
  "error.too_busy": "The server is busy. The request is sent again when the input changes.",
  "error.not_ready": "The server has no model yet. This page checks again every few seconds.",
  "error.draining": "The server is shutting down. Try again in a moment.",
  "error.internal": "Something went wrong on the server; its log has the details. Try again, or change the input.",
  "error.no_key": "API key required.",
  "error.invalid_request": "This input is not valid.",
  "error.unknown_type": "This model does not take this kind of input. Reload the page.",
  "error.no_finite_answer": "The model has no answer for this input. Change it.",
  "error.too_large": "This input is too large.",
  "error.too_slow": "The input took too long to reach the server. Try again.",
  "error.unknown_request": "The server has no record of this answer. Change the input, then send the label again.",
  "error.second_label": "This answer already has a label.",
  "error.log_slow": "The label could not be confirmed in time. Send it again.",
  "error.several_answers": "Several answers have this ID.",
  "error.unknown_encoding": "The server does not take this encoding. Reload the page.",
  "error.log_unavailable": "The label could not be stored. Try again later.",
  "error.other": "Something went wrong.",
  "error.no_admin_key": "This server has no admin key.",
  "error.no_such_model": "This server does not serve this model.",
  "error.not_found": "There is no such path on the server. Reload the page.",
  "error.refused": "The server refused the request. Reload the page.",
  "error.page": "This page can't be shown because of an error in it ({reason}). Reload it; if that does not help, report the error. The API is not affected.",
  "monitor.open": "Monitor",
  "monitor.skip": "Skip to the verdict",
  "monitor.title": "Monitor: {title}",
  "monitor.lead": "What the served model is worth in production, compared with what the test data promised.",
  "monitor.try": "Try the model",
  "monitor.verdict": "Verdict",
  "monitor.none": "The monitor has not looked at the prediction log yet. Run it now:",
  "monitor.none.live": "With `portfolio live {use_case}` it looks on a schedule.",
  "monitor.promised": "promised by the test data, in yen per 1,000",
  "monitor.estimated": "estimated without labels",
  "monitor.doubtful": "estimated without labels, not to be trusted",
  "monitor.seen": "seen from {labels} labels",
  "monitor.evidence": "evidence of harm from labels (alarm at {threshold})",
  "monitor.window": "Version {version}: {rows} answers and {labels} labels from {start} to {end}; checked on {time}.",
  "monitor.not_yet": "Version {version}, which is served now, has not been checked yet.",
  "monitor.value": "Value in yen per 1,000 items",
  "monitor.quality": "Quality: {name}",
  "monitor.drift": "Drift by field",
  "monitor.drift.hint": "How the newest inputs and answers differ from those of training and test. Drift alone does no harm: it is a reason to look, not to retrain.",
  "monitor.events": "What happened",
  "verdict.healthy": "Healthy",
  "verdict.insufficient_data": "Not enough data",
  "verdict.warn": "Warning",
  "verdict.harmful": "Harmful",
  "todo.healthy": "Nothing to do.",
  "todo.insufficient_data": "Nothing to do yet. Labelling the rows below will help.",
  "todo.warn": "Look into the reasons, and label the rows below.",
  "todo.harmful": "Retraining is needed. The monitoring flow, if it runs, asks for it within the limits in retrain; to start it by hand: `portfolio run {use_case}`",
  "todo.acted": "Retraining began on {time}.",
  "kind.promised": "promised",
  "kind.estimated": "estimated without labels",
  "kind.seen": "seen from labels",
  "kind.doubtful": "estimate not to be trusted",
  "plot.alt": "{name}: {looks} looks from {start} to {end}.",
  "plot.last": "Last {kind}: {value}{between}.",
  "plot.between": " ({low} to {high})",
  "plot.marked": "Marked: {events}.",
  "plot.table": "As a table",
  "plot.time": "time",
  "drift.field": "field",
  "drift.effect": "effect",
  "drift.from": "reference",
  "drift.to": "now",
  "drift.p": "p, corrected",
  "drift.drifted": "drift",
  "drift.of": "measure",
  "drift.of.summary": "{name}: {summary}",
  "drift.median": "median",
  "drift.share": "share of {of}",
  "drift.(missing)": "missing values",
  "drift.(unseen)": "unseen values",
  "drift.output": "the answers",
  "output.answer": "answer",
  "output.certainty": "certainty of the answer",
  "output.value": "predicted value",
  "output.error_scale": "predicted size of the error",
  "summary.brightness": "brightness",
  "summary.contrast": "contrast",
  "summary.sharpness": "sharpness",
  "summary.length": "length",
  "summary.letters": "share of letters",
  "summary.variety": "distinct characters by length",
  "event.deployed": "version {version} deployed",
  "event.drift": "drift found in {fields}",
  "event.harm": "harm found",
  "event.retraining": "retraining began",
  "event.promoted": "version {version} promoted",
  "event.refused": "version {version} refused",
  "event.rolled_back": "rolled back to version {version}",
  "event.quarantined": "batch {batch} was quarantined",
  "event.other": "{kind}",
  "queue": "Labels wanted: {count}",
  "queue.more": "Labels wanted: {count} or more",
  "queue.none": "No answer is waiting for a label.",
  "queue.hint.class": "Rows that a person decides, and a random share of the machine’s answers. What the model said is not shown, so that it does not sway you. Click the right label, or press its key.",
  "queue.hint.value": "Rows that a person decides, and a random share of the machine’s answers. What the model said is not shown, so that it does not sway you.",
  "queue.answered": "answered on {time}",
  "queue.missing": "missing",
  "queue.later": "Later",
  "audit": "Selected for audit: a person is asked for the true label too.",
  "key.admin": "This page needs an administrator's key. The key is kept until you close this tab.",
  "error.log_unreadable": "The prediction log can't be read. Try again later.",
  "figure.accuracy": "accuracy",
  "figure.precision": "precision (macro)",
  "figure.balanced_accuracy": "balanced accuracy",
  "figure.average_precision": "average precision",
  "figure.class_distance": "class distance (mean)",
  "figure.quadratic_kappa": "quadratic weighted kappa",
  "figure.f1": "F1 (macro)",
  "figure.auc": "AUC (macro)",
  "figure.log_loss": "log loss",
  "figure.mae": "mean absolute error",
  "figure.mse": "mean squared error",
  "figure.rmse": "root mean squared error",
  "figure.r2": "R²",
  "figure.value_yen_per_1000": "yen saved per 1,000 items",
  "figure.trust_all_yen_per_1000": "yen saved per 1,000 items if every answer were trusted",
  "figure.by_machine": "share answered by the machine",
  "figure.interval_coverage": "true values within the 90% interval",
  "figure.within_tolerance": "values within the tolerance",
};

const JA = {
  skip: "入力へ移動",
  "language.other": "English",
  "theme.dark": "ダーク",
  "theme.light": "ライト",
  "theme.label": "配色を{theme}に切り替え",
  served: "{use_case}・バージョン{version}・{candidate}",
  input: "入力",
  "input.image": "ここに書いてください",
  "input.photo": "写真を選んでください",
  "input.text": "文章を入力してください",
  "input.table": "項目を入力してください",
  clear: "消す",
  example: "例を使う",
  "canvas.label": "{name}を書く欄。矢印キーでペンを動かし、スペースキーでペンの上げ下ろしをします。",
  "canvas.hint": "マウス、ペン、指で書けます。キーボードでは矢印キーでペンを動かし（Shiftで速く）、スペースキーで上げ下ろしします。",
  "photo.label": "{name}のファイルを選ぶ",
  "photo.choose": "ファイルを選ぶか、撮影するか、ここにドロップしてください",
  "photo.hint": "モデルには横{width}×縦{height}画素に縮小して渡されます。対象が大きく写った写真を使ってください。",
  "photo.preview": "選んだ写真：{name}",
  "photo.unreadable": "このファイルは写真として読み込めません。JPEGかPNGのファイルを選んでください。",
  "pen.down": "ペンを下ろしています",
  "pen.up": "ペンを上げています",
  optional: "空欄可",
  "field.range": "{minimum}〜{maximum}",
  "field.from": "{minimum}以上",
  "field.to": "{maximum}以下",
  "field.number": "数値",
  "field.date": "日付",
  "field.invalid": "この項目に入力できるのは{allowed}です。直すと答えが表示されます。",
  "field.missing": "この項目を入力すると、答えが表示されます。",
  "field.length": "{count}文字まで",
  "field.too_long": "{given}文字あります。{count}文字までに縮めると、答えが表示されます。",
  answer: "答え",
  waiting: "入力すると、ここに答えが表示されます。",
  sure: "確信度 {share}",
  spoken: "{name}：{answer}。{decision}。",
  machine: "機械が回答",
  person: "人が確認",
  "interval": "{level}区間：{low}〜{high}",
  "because.machine": "誤りによる損失の期待値は{error}円で、確認の費用（{check}円）以下です。",
  "because.person": "誤りによる損失の期待値が、確認の費用（{check}円）を上回ります。",
  "because.unseen": "学習データにない値です（{fields}）。このような入力での精度は確かめられていません。",
  "because.none": "このモデルには判断基準が設定されていないため、すべて機械が答えます。",
  yen: "{yen}円",
  "yen.means": "人手で行う場合（1件{by_hand}円）と比べて見込まれる節約額",
  "yen.lost": "人手で行う場合（1件{by_hand}円）と比べて見込まれる損益",
  "feedback.class": "正解はどれですか？",
  "feedback.value": "正しい値はいくつですか？",
  "feedback.keys": "正解をクリックするか、同じキーを押してください。",
  "feedback.send": "送信",
  "feedback.choose": "選んでください",
  "thanks.right": "「{label}」を記録しました。モデルの答えは正解でした。",
  "thanks.wrong": "「{label}」を記録しました。モデルの答えは誤りでした。次回の学習に活かせます。",
  "thanks.stored": "「{label}」を記録しました。",
  "explain.image": "モデルが見た画像と、判断の手がかり",
  "explain.fields": "判断の手がかり",
  "explain.for": "「{of}」らしさを強める",
  "explain.against": "「{of}」らしさを弱める",
  "explain.raises": "値を上げる",
  "explain.lowers": "値を下げる",
  "explain.little": "影響は小さい",
  "explain.how.image": "画素を一つずつ白紙に戻したときの、答えへの影響の大きさを色で示しています。",
  "explain.how.photo": "小さな区画を一つずつ灰色に塗りつぶしたときの、答えへの影響の大きさを色で示しています。",
  "explain.how.text": "言葉を一つずつ取り除いたときの、答えへの影響の大きさを色で示しています。",
  "explain.how.table": "項目を一つずつ標準的な値に置き換えたときの、答えへの影響の大きさを棒で示しています。",
  "explain.alt": "モデルが見た縦{rows}×横{columns}画素。「{of}」らしさを強める画素は{supporting}個、弱める画素は{against}個で、最も影響が大きいのは{row}行{column}列です。",
  "explain.seen": "モデルが見た画像",
  "explain.mattered": "判断の手がかり",
  live: "稼働状況（サーバー起動以降）",
  "live.predictions": "回答数",
  "live.by_machine": "機械が回答した割合",
  "live.expected_yen": "見込まれる節約額（円）",
  "live.feedback": "受け取った正解ラベルの数",
  "live.feedback_right": "そのうち答えが正しかった割合",
  "live.uptime": "稼働時間",
  "live.log_dropped": "ログに残せなかった回答数",
  card: "モデルカード",
  "card.intended": "想定する用途",
  "card.not_for": "想定していない用途",
  "card.data": "データ",
  "card.prices": "単価",
  "prices.list": "人手での処理は1件{by_hand_yen}円、確認は1件{check_yen}円、見逃した誤りは1件{error_yen}円です。{more}",
  figures: "学習に使っていないテストデータでの成績",
  versions: "バージョン",
  "versions.caption": "保管されているバージョン",
  "versions.version": "バージョン",
  "versions.candidate": "モデル",
  "versions.created": "登録日時",
  "versions.served": "稼働中",
  refusal: "サーバーがバンドルを拒否しました：{reason}",
  docs: "APIドキュメント",
  lineage: "バンドル {digest}、コミット {commit}、データ {data}",
  "duration.seconds": "{n}秒",
  "duration.minutes": "{n}分",
  "duration.hours": "{n}時間",
  "duration.days": "{n}日",
  "key.title": "APIキーが必要です",
  "key.text": "このサーバーを利用するにはAPIキーが必要です。入力したキーは、このタブを閉じるまで保持されます。",
  "key.label": "APIキー",
  "key.send": "続ける",
  "key.empty": "キーを入力してください。",
  "key.wrong": "このキーは認められませんでした。全体をコピーできているか確認してください。",
  "key.forbidden": "「{character}」はキーに使えない文字です。キーに使えるのは半角の英数字と記号だけです。発行元からもう一度コピーしてください。",
  "error.unreachable": "サーバーに接続できません。",
  "error.too_busy": "サーバーが混み合っています。次に入力を変えたときに、もう一度送信します。",
  "error.not_ready": "サーバーにはまだモデルがありません。このページは数秒ごとに確認します。",
  "error.draining": "サーバーを停止しています。少し待ってから、もう一度お試しください。",
  "error.internal": "サーバー内部でエラーが発生しました。詳細はサーバーのログに記録されています。もう一度試すか、入力を変えてください。",
  "error.no_key": "APIキーが必要です。",
  "error.invalid_request": "この入力は正しくありません。",
  "error.unknown_type": "このモデルは、この種類の入力を受け付けません。ページを再読み込みしてください。",
  "error.no_finite_answer": "モデルはこの入力に答えを出せませんでした。入力を変えてください。",
  "error.too_large": "入力が大きすぎます。",
  "error.too_slow": "入力の送信に時間がかかりすぎました。もう一度お試しください。",
  "error.unknown_request": "サーバーにこの答えの記録がありません。入力を変えてから、もう一度正解を送ってください。",
  "error.second_label": "この答えには、すでに正解が記録されています。",
  "error.log_slow": "時間内に正解の記録を確認できませんでした。もう一度送ってください。",
  "error.several_answers": "このIDの答えが複数あります。",
  "error.unknown_encoding": "サーバーはこの符号化方式に対応していません。ページを再読み込みしてください。",
  "error.log_unavailable": "正解を記録できませんでした。しばらくしてから、もう一度送ってください。",
  "error.other": "問題が発生しました。",
  "error.no_admin_key": "このサーバーには管理者用のキーが設定されていません。",
  "error.no_such_model": "サーバーはこのモデルを提供していません。",
  "error.not_found": "サーバーにこのパスはありません。ページを再読み込みしてください。",
  "error.refused": "サーバーがリクエストを拒否しました。ページを再読み込みしてください。",
  "error.page": "このページの表示中にエラーが発生しました（{reason}）。再読み込みしても直らない場合は、このエラーを報告してください。APIには影響ありません。",
  "monitor.open": "監視",
  "monitor.skip": "判定へ移動",
  "monitor.title": "監視：{title}",
  "monitor.lead": "稼働中のモデルが実際にもたらしている価値を、テストデータでの見込みと比べます。",
  "monitor.try": "モデルを試す",
  "monitor.verdict": "判定",
  "monitor.none": "予測ログはまだ点検されていません。次のコマンドで点検できます。",
  "monitor.none.live": "`portfolio live {use_case}` で起動すると、定期的に点検されます。",
  "monitor.promised": "テストデータでの見込み（円、1,000件あたり）",
  "monitor.estimated": "正解ラベルを使わない推定",
  "monitor.doubtful": "正解ラベルを使わない推定（信頼できません）",
  "monitor.seen": "正解ラベル{labels}件による実績",
  "monitor.evidence": "正解ラベルによる損害の証拠（{threshold}で警報）",
  "monitor.window": "バージョン{version}：{start}から{end}までの回答{rows}件、正解ラベル{labels}件（点検：{time}）。",
  "monitor.not_yet": "現在稼働中のバージョン{version}は、まだ点検されていません。",
  "monitor.value": "1,000件あたりの価値（円）",
  "monitor.quality": "品質：{name}",
  "monitor.drift": "項目ごとのドリフト",
  "monitor.drift.hint": "最近の入力と答えが、学習時やテスト時とどれだけ違うかを示します。ドリフトだけでは損害とは言えません。再学習ではなく、調査のきっかけです。",
  "monitor.events": "できごと",
  "verdict.healthy": "正常",
  "verdict.insufficient_data": "データ不足",
  "verdict.warn": "注意",
  "verdict.harmful": "損害あり",
  "todo.healthy": "対応は不要です。",
  "todo.insufficient_data": "まだ対応は不要です。下の回答に正解を付けると、より確かな判定ができます。",
  "todo.warn": "理由を確認し、下の回答に正解を付けてください。",
  "todo.harmful": "再学習が必要です。監視フローが動いていれば、設定 retrain の範囲で開始します。手動で行うには `portfolio run {use_case}` を実行してください。",
  "todo.acted": "再学習を開始しました（{time}）。",
  "kind.promised": "見込み",
  "kind.estimated": "正解ラベルなしの推定",
  "kind.seen": "正解ラベルによる実績",
  "kind.doubtful": "信頼できない推定",
  "plot.alt": "{name}：{start}から{end}までの{looks}回の点検。",
  "plot.last": "最新の{kind}：{value}{between}。",
  "plot.between": "（{low}〜{high}）",
  "plot.marked": "記録されたできごと：{events}。",
  "plot.table": "表で見る",
  "plot.time": "日時",
  "drift.field": "項目",
  "drift.effect": "効果量",
  "drift.from": "基準",
  "drift.to": "最近",
  "drift.p": "p値（補正後）",
  "drift.drifted": "ドリフト",
  "drift.of": "比較した値",
  "drift.of.summary": "{name}（{summary}）",
  "drift.median": "中央値",
  "drift.share": "{of}の割合",
  "drift.(missing)": "欠損値",
  "drift.(unseen)": "未知の値",
  "drift.output": "モデルの答え",
  "output.answer": "答え",
  "output.certainty": "答えの確信度",
  "output.value": "予測値",
  "output.error_scale": "予測された誤差の大きさ",
  "summary.brightness": "明るさ",
  "summary.contrast": "コントラスト",
  "summary.sharpness": "鮮明さ",
  "summary.length": "長さ",
  "summary.letters": "数字や記号でない文字の割合",
  "summary.variety": "異なる文字の割合",
  "event.deployed": "バージョン{version}の稼働開始",
  "event.drift": "ドリフトを検出：{fields}",
  "event.harm": "損害を検出",
  "event.retraining": "再学習の開始",
  "event.promoted": "バージョン{version}の昇格",
  "event.refused": "バージョン{version}の却下",
  "event.rolled_back": "バージョン{version}へのロールバック",
  "event.quarantined": "バッチ{batch}を隔離",
  "event.other": "{kind}",
  "queue": "正解待ち：{count}件",
  "queue.more": "正解待ち：{count}件以上",
  "queue.none": "正解を待っている回答はありません。",
  "queue.hint.class": "人が判断する回答と、機械の回答から無作為に選ばれたものです。先入観を避けるため、モデルの答えは表示しません。正解をクリックするか、キーを押してください。",
  "queue.hint.value": "人が判断する回答と、機械の回答から無作為に選ばれたものです。先入観を避けるため、モデルの答えは表示しません。",
  "queue.answered": "回答日時：{time}",
  "queue.missing": "なし",
  "queue.later": "後で",
  "audit": "この回答は監査の対象です。機械の答えとは別に、人にも正解を尋ねます。",
  "key.admin": "このページを見るには、管理者用のキーが必要です。入力したキーは、このタブを閉じるまで保持されます。",
  "error.log_unreadable": "予測ログを読み込めません。しばらくしてから、もう一度お試しください。",
  "figure.accuracy": "正解率",
  "figure.precision": "適合率（マクロ平均）",
  "figure.balanced_accuracy": "均衡正解率",
  "figure.average_precision": "平均適合率",
  "figure.class_distance": "クラスの隔たり（平均）",
  "figure.quadratic_kappa": "重み付きカッパ係数（二次）",
  "figure.f1": "F1（マクロ平均）",
  "figure.auc": "AUC（マクロ平均）",
  "figure.log_loss": "対数損失",
  "figure.mae": "平均絶対誤差",
  "figure.mse": "平均二乗誤差",
  "figure.rmse": "二乗平均平方根誤差",
  "figure.r2": "決定係数 R²",
  "figure.value_yen_per_1000": "1,000件あたりの節約額（円）",
  "figure.trust_all_yen_per_1000": "すべての答えを採用した場合の節約額（円、1,000件あたり）",
  "figure.by_machine": "機械が回答した割合",
  "figure.interval_coverage": "90%区間に入った正解の割合",
  "figure.within_tolerance": "許容誤差に収まった割合",
};

const ALL = { en: EN, ja: JA };
const KEY = "language";

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export let language = Object.hasOwn(ALL, stored()) ? stored() : navigator.language.startsWith("ja") ? "ja" : "en";

export function toggleLanguage() {
  language = language === "ja" ? "en" : "ja";
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // without storage, the choice lasts until the page is left
  }
}

/** The words for a key, with {names} filled in. */
export function words(key, values = {}) {
  const text = own(ALL[language], key) ?? own(EN, key) ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => own(values, name) ?? whole);
}

export const hasWords = (key) => Object.hasOwn(EN, key);

/** Put words into all elements that have a data-words attribute. */
export function fillIn() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = words(element.dataset.words);
  }
}

/** Put a text into an element; what stands between backticks is code. */
export function setCoded(element, text) {
  const parts = text.split("`").map((part, place) => (place % 2 ? Object.assign(document.createElement("code"), { textContent: part }) : part));
  element.replaceChildren(...parts);
}

/** With all its digits. */
export const exact = (value) => new Intl.NumberFormat(language, { maximumFractionDigits: 20, useGrouping: "min2" }).format(value);

/** To `digits` significant figures. Thousands keep all digits, and longer numbers are written compactly. */
export function number(value, digits = 4) {
  const size = Math.abs(value);
  const options =
    size >= 1e7
      ? { notation: "compact", maximumSignificantDigits: digits }
      : size >= 10 ** digits
        ? { maximumFractionDigits: 0 }
        : { maximumSignificantDigits: digits };
  return new Intl.NumberFormat(language, options).format(short(value, digits));
}

export function share(value) {
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(short(value, 3));
}

/** A signed difference, in per cent if it is one of shares. */
export function difference(value, isShare) {
  const options = isShare ? { style: "percent", maximumFractionDigits: 1 } : { maximumSignificantDigits: 3 };
  return new Intl.NumberFormat(language, { ...options, signDisplay: "exceptZero" }).format(value);
}

/** Something close to 1 must not be rounded to it: nearly sure is not certain. */
function short(value, digits) {
  return value < 1 ? Math.min(value, 1 - 10 ** -digits) : value;
}

export function yen(value) {
  const digits = Math.abs(value) >= 1000 ? 0 : 2;
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

/** A value with its unit; as an amount of money if the unit is a currency. One that a person gave keeps all its digits. */
export function amount(value, unit, isGiven = false) {
  if (/^[A-Z]{3}$/.test(unit)) {
    const options = {
      style: "currency",
      currency: unit,
      maximumFractionDigits: isGiven ? 20 : Math.abs(value) >= 1000 ? 0 : 2,
      trailingZeroDisplay: "stripIfInteger",
    };
    return new Intl.NumberFormat(language, options).format(value);
  }
  const shown = isGiven ? exact(value) : number(value);
  return unit ? `${shown} ${unit}` : shown;
}

export function moment(iso) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

/** What stands under a time axis whose marks are so many milliseconds apart. */
export function dayOrTime(at, step) {
  const clock = step < 60_000 ? { timeStyle: "medium" } : { timeStyle: "short" };
  const options = step >= 86_400_000 ? { month: "short", day: "numeric" } : clock;
  return new Intl.DateTimeFormat(language, options).format(new Date(at));
}

export function duration(seconds) {
  for (const [unit, size] of [["days", 86400], ["hours", 3600], ["minutes", 60]]) {
    if (seconds >= size) return words(`duration.${unit}`, { n: number(Math.floor(seconds / size)) });
  }
  return words("duration.seconds", { n: number(Math.floor(seconds)) });
}
