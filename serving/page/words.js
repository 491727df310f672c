// All words of the page, in both languages, and numbers as each writes them.

const EN = {
  skip: "Skip to the input",
  "language.other": "日本語",
  "theme.dark": "Dark",
  "theme.light": "Light",
  "theme.label": "Change to {theme} colours",
  served: "{use_case} · version {version} · {candidate}",
  input: "Your input",
  "input.image": "Draw here",
  "input.text": "Write here",
  "input.table": "Fill in",
  clear: "Clear",
  example: "An example",
  "canvas.label": "Drawing area for {name}. Arrow keys move the pen, space puts it down and lifts it.",
  "canvas.hint": "Mouse, pen or finger. By keyboard: arrow keys move the pen (faster with Shift), space puts it down and lifts it.",
  "pen.down": "Pen down",
  "pen.up": "Pen up",
  optional: "may be empty",
  "field.range": "{minimum} to {maximum}",
  "field.from": "at least {minimum}",
  "field.to": "at most {maximum}",
  answer: "The answer",
  waiting: "The answer appears here while you give the input.",
  sure: "{share} sure",
  spoken: "{name}: {answer}. {decision}.",
  machine: "Answered by machine",
  person: "Goes to a person",
  "because.probability.machine": "The machine is {share} sure, and answers by itself from {threshold}.",
  "because.probability.person": "The machine is {share} sure. Below {threshold} a person checks its answer.",
  "because.value.machine": "Up to {threshold} the machine answers by itself.",
  "because.value.person": "Above {threshold} a person checks the machine's answer.",
  "because.none": "No decision policy was chosen for this model: the machine answers everything.",
  yen: "{yen} yen",
  "yen.means": "expected to be saved against doing it by hand ({by_hand} yen an item)",
  "yen.lost": "expected against doing it by hand ({by_hand} yen an item)",
  "feedback.class": "What is it really?",
  "feedback.value": "What is the true value?",
  "feedback.keys": "One click, or the key itself.",
  "feedback.send": "Send",
  "feedback.choose": "Choose…",
  "thanks.right": "Stored: {label}. The answer was right.",
  "thanks.wrong": "Stored: {label}. The answer was wrong; the next training can learn from it.",
  "thanks.stored": "Stored: {label}.",
  "explain.image": "What the model saw, and what mattered",
  "explain.fields": "What mattered",
  "explain.for": "speaks for {of}",
  "explain.against": "speaks against {of}",
  "explain.raises": "raises the value",
  "explain.lowers": "lowers the value",
  "explain.little": "matters little",
  "explain.how.image": "Each pixel was made paper once; the colour says by how much the answer then fell.",
  "explain.how.text": "Each character was left out once; the colour says by how much the answer then fell.",
  "explain.how.table": "Each field was given its typical value once; the bar says by how much the answer then fell.",
  "explain.alt": "The {rows} by {columns} pixels that the model saw. {supporting} of them speak for {of}, {against} against it; the strongest is in row {row}, column {column}.",
  "explain.seen": "seen",
  "explain.mattered": "mattered",
  live: "Live, since the server started",
  "live.predictions": "answers",
  "live.by_machine": "by machine",
  "live.expected_yen": "yen expected to be saved",
  "live.feedback": "true answers given",
  "live.feedback_right": "of them were read rightly",
  "live.uptime": "running",
  "live.log_dropped": "lost by the log",
  card: "The model's card",
  "card.intended": "What it is for",
  "card.not_for": "What it is not for",
  "card.data": "Data",
  "card.prices": "Prices",
  "prices.list": "By hand {by_hand_yen} yen an item; a check {check_yen} yen; an error that nobody noticed {error_yen} yen. {more}",
  figures: "On test rows that training never saw",
  versions: "Versions",
  "versions.caption": "The versions in the store",
  "versions.version": "version",
  "versions.candidate": "model",
  "versions.created": "registered",
  "versions.served": "served now",
  refusal: "The store names a bundle that was refused: {reason}",
  docs: "API documentation",
  lineage: "bundle {digest}, commit {commit}, data {data}",
  "duration.seconds": "{n} s",
  "duration.minutes": "{n} min",
  "duration.hours": "{n} h",
  "duration.days": "{n} d",
  "key.title": "A key is needed",
  "key.text": "This server answers those who have a key. It is kept until this tab is closed.",
  "key.label": "Key",
  "key.send": "Go on",
  "key.empty": "Give a key.",
  "key.wrong": "The server does not know that key. Was all of it copied?",
  "key.forbidden": "“{character}” can't be in a key: keys have unaccented letters, digits and plain signs alone. Copy it again from where it was made.",
  "fault.unreachable": "The server can't be reached.",
  "fault.too_busy": "The server is busy. It is asked again with the next change.",
  "fault.not_ready": "The server has no model yet. This page looks again every few seconds.",
  "fault.draining": "The server is about to end. Try again in a moment.",
  "fault.internal": "Something failed within the server; its log says what. Try again, or change the input.",
  "fault.no_key": "The server demands a key.",
  "fault.invalid_request": "This input does not fit.",
  "fault.unknown_type": "This model does not take an input of this kind. Reload the page.",
  "fault.no_finite_answer": "The model has no answer to this input. Change it.",
  "fault.too_large": "This input is too large.",
  "fault.too_slow": "The input took too long to reach the server. Try again.",
  "fault.unknown_request": "The server does not know this answer any more. Change the input and give the label again.",
  "fault.second_label": "This answer has its label already.",
  "fault.log_unavailable": "The label could not be stored. Send it again later.",
  "fault.other": "Something went wrong.",
  "fault.no_admin_key": "This server has no key for administrators.",
  "fault.no_such_model": "The server does not serve this model.",
  "fault.not_found": "The server has no such path. Reload the page.",
  "fault.refused": "The server refused the request. Reload the page.",
  "figure.accuracy": "accuracy",
  "figure.precision": "precision (macro)",
  "figure.recall": "recall (macro)",
  "figure.f1": "F1 (macro)",
  "figure.auc": "AUC (macro)",
  "figure.log_loss": "log loss",
  "figure.mae": "mean absolute error",
  "figure.mse": "mean squared error",
  "figure.rmse": "root mean squared error",
  "figure.r2": "R²",
  "figure.value_yen_per_1000": "yen saved per 1,000",
  "figure.trust_all_yen_per_1000": "yen per 1,000, trusting all answers",
  "figure.by_machine": "answered by machine",
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
  "input.text": "文章を入力してください",
  "input.table": "項目を入力してください",
  clear: "消す",
  example: "例を使う",
  "canvas.label": "{name}を書く欄。矢印キーでペンを動かし、スペースキーでペンの上げ下ろしをします。",
  "canvas.hint": "マウス、ペン、指で書けます。キーボードでは矢印キーでペンを動かし（Shiftで速く）、スペースキーで上げ下ろしします。",
  "pen.down": "ペンを下ろしています",
  "pen.up": "ペンを上げています",
  optional: "空欄可",
  "field.range": "{minimum}〜{maximum}",
  "field.from": "{minimum}以上",
  "field.to": "{maximum}以下",
  answer: "答え",
  waiting: "入力すると、ここに答えが表示されます。",
  sure: "確信度 {share}",
  spoken: "{name}：{answer}。{decision}。",
  machine: "機械が回答",
  person: "人が確認",
  "because.probability.machine": "確信度は{share}です。{threshold}以上なら機械だけで答えます。",
  "because.probability.person": "確信度は{share}です。{threshold}未満の答えは人が確認します。",
  "because.value.machine": "{threshold}までは機械だけで答えます。",
  "because.value.person": "{threshold}を超える答えは人が確認します。",
  "because.none": "このモデルには判断基準が設定されていないため、すべて機械が答えます。",
  yen: "{yen}円",
  "yen.means": "人手で行う場合（1件{by_hand}円）と比べて見込まれる節約額",
  "yen.lost": "人手で行う場合（1件{by_hand}円）と比べて見込まれる損益",
  "feedback.class": "正解はどれですか？",
  "feedback.value": "正しい値はいくつですか？",
  "feedback.keys": "クリックするか、同じキーを押してください。",
  "feedback.send": "送信",
  "feedback.choose": "選んでください",
  "thanks.right": "「{label}」を記録しました。モデルの答えは正解でした。",
  "thanks.wrong": "「{label}」を記録しました。モデルの答えは誤りでした。次の学習に活かせます。",
  "thanks.stored": "「{label}」を記録しました。",
  "explain.image": "モデルが見た画像と、判断の手がかり",
  "explain.fields": "判断の手がかり",
  "explain.for": "「{of}」らしさを強める",
  "explain.against": "「{of}」らしさを弱める",
  "explain.raises": "値を上げる",
  "explain.lowers": "値を下げる",
  "explain.little": "影響は小さい",
  "explain.how.image": "画素を一つずつ白紙に戻し、答えがどれだけ弱まったかを色で示しています。",
  "explain.how.text": "一文字ずつ取り除き、答えがどれだけ弱まったかを色で示しています。",
  "explain.how.table": "項目を一つずつ標準的な値に置き換え、答えがどれだけ下がったかを棒で示しています。",
  "explain.alt": "モデルが見た縦{rows}×横{columns}画素。「{of}」らしさを強める画素は{supporting}個、弱める画素は{against}個で、最も影響が大きいのは{row}行{column}列です。",
  "explain.seen": "見た画像",
  "explain.mattered": "手がかり",
  live: "稼働状況（サーバー起動以降）",
  "live.predictions": "回答数",
  "live.by_machine": "機械が回答した割合",
  "live.expected_yen": "見込まれる節約額（円）",
  "live.feedback": "届いた正解の数",
  "live.feedback_right": "うちモデルが正しかった割合",
  "live.uptime": "稼働時間",
  "live.log_dropped": "ログに残せなかった数",
  card: "モデルカード",
  "card.intended": "用途",
  "card.not_for": "使ってはいけない用途",
  "card.data": "データ",
  "card.prices": "単価",
  "prices.list": "人手で1件{by_hand_yen}円、確認1件{check_yen}円、見逃した誤り1件{error_yen}円。{more}",
  figures: "学習に使っていない試験データでの成績",
  versions: "バージョン",
  "versions.caption": "保管されているバージョン",
  "versions.version": "バージョン",
  "versions.candidate": "モデル",
  "versions.created": "登録日時",
  "versions.served": "提供中",
  refusal: "指定されたバンドルは受け入れられませんでした：{reason}",
  docs: "APIの説明",
  lineage: "バンドル {digest}、コミット {commit}、データ {data}",
  "duration.seconds": "{n}秒",
  "duration.minutes": "{n}分",
  "duration.hours": "{n}時間",
  "duration.days": "{n}日",
  "key.title": "キーが必要です",
  "key.text": "このサーバーの利用にはキーが必要です。入力したキーは、このタブを閉じるまで保持されます。",
  "key.label": "キー",
  "key.send": "続ける",
  "key.empty": "キーを入力してください。",
  "key.wrong": "このキーは認められませんでした。全体をコピーしたか、確かめてください。",
  "key.forbidden": "「{character}」はキーに使えない文字です。キーは半角の英数字と記号だけからなります。発行元からもう一度コピーしてください。",
  "fault.unreachable": "サーバーに接続できません。",
  "fault.too_busy": "サーバーが混み合っています。次に入力が変わったとき、もう一度送ります。",
  "fault.not_ready": "サーバーにはまだモデルがありません。このページは数秒ごとに確認します。",
  "fault.draining": "サーバーがまもなく停止します。少し待ってから、もう一度お試しください。",
  "fault.internal": "サーバー内部でエラーが発生しました。詳細はサーバーのログに記録されています。もう一度試すか、入力を変えてください。",
  "fault.no_key": "このサーバーの利用にはキーが必要です。",
  "fault.invalid_request": "この入力は受け付けられません。",
  "fault.unknown_type": "このモデルは、この種類の入力を受け付けません。ページを再読み込みしてください。",
  "fault.no_finite_answer": "モデルはこの入力に答えを出せませんでした。入力を変えてください。",
  "fault.too_large": "入力が大きすぎます。",
  "fault.too_slow": "入力の送信に時間がかかりすぎました。もう一度お試しください。",
  "fault.unknown_request": "サーバーにこの答えの記録がありません。入力を変えて、もう一度正解を送ってください。",
  "fault.second_label": "この答えには、すでに正解が記録されています。",
  "fault.log_unavailable": "正解を記録できませんでした。しばらくしてから、もう一度送ってください。",
  "fault.other": "問題が発生しました。",
  "fault.no_admin_key": "このサーバーには管理者用のキーが設定されていません。",
  "fault.no_such_model": "サーバーはこのモデルを提供していません。",
  "fault.not_found": "サーバーにこのパスはありません。ページを再読み込みしてください。",
  "fault.refused": "サーバーが要求を拒否しました。ページを再読み込みしてください。",
  "figure.accuracy": "正解率",
  "figure.precision": "適合率（マクロ平均）",
  "figure.recall": "再現率（マクロ平均）",
  "figure.f1": "F1（マクロ平均）",
  "figure.auc": "AUC（マクロ平均）",
  "figure.log_loss": "対数損失",
  "figure.mae": "平均絶対誤差",
  "figure.mse": "平均二乗誤差",
  "figure.rmse": "二乗平均平方根誤差",
  "figure.r2": "決定係数 R²",
  "figure.value_yen_per_1000": "1,000件あたりの節約額（円）",
  "figure.trust_all_yen_per_1000": "すべて機械に任せた場合（円、1,000件あたり）",
  "figure.by_machine": "機械が回答する割合",
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

export let language = ALL[stored()] ? stored() : navigator.language.startsWith("ja") ? "ja" : "en";

export function toggleLanguage() {
  language = language === "ja" ? "en" : "ja";
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // where storage is switched off, the choice holds until the page is left
  }
}

/** The words for a key, with {names} put in. */
export function words(key, values = {}) {
  const text = ALL[language][key] ?? EN[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export const hasWords = (key) => key in EN;

/** Put the words into all elements that name theirs. */
export function fillIn() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = words(element.dataset.words);
  }
}

/** So many significant figures; thousands keep all of theirs, and what is longer still is shortened in words. */
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

/** A difference, with its sign: of shares in per cent. */
export function difference(value, isShare) {
  const options = isShare ? { style: "percent", maximumFractionDigits: 1 } : { maximumSignificantDigits: 3 };
  return new Intl.NumberFormat(language, { ...options, signDisplay: "exceptZero" }).format(value);
}

/** What is nearly 1 must not be rounded to it: nearly sure is not certain. */
function short(value, digits) {
  return value < 1 ? Math.min(value, 1 - 10 ** -digits) : value;
}

export function yen(value) {
  const digits = Math.abs(value) >= 1000 ? 0 : 2;
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

/** A value in its unit: an amount of money if the unit is a currency. */
export function amount(value, unit) {
  if (/^[A-Z]{3}$/.test(unit)) {
    const options = {
      style: "currency",
      currency: unit,
      maximumFractionDigits: Math.abs(value) >= 1000 ? 0 : 2,
      trailingZeroDisplay: "stripIfInteger",
    };
    return new Intl.NumberFormat(language, options).format(value);
  }
  return unit ? `${number(value)} ${unit}` : number(value);
}

export function moment(iso) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

export function duration(seconds) {
  for (const [unit, size] of [["days", 86400], ["hours", 3600], ["minutes", 60]]) {
    if (seconds >= size) return words(`duration.${unit}`, { n: number(Math.floor(seconds / size)) });
  }
  return words("duration.seconds", { n: number(Math.floor(seconds)) });
}
