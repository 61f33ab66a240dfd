# puma echo.ru: answers any request with what it was asked.
run lambda { |env|
  raw = env["REQUEST_URI"] || (env["PATH_INFO"].to_s + (env["QUERY_STRING"].to_s.empty? ? "" : "?#{env["QUERY_STRING"]}"))
  target = raw.b.gsub(/[^\x21-\x7e]/n) { |byte| format("%%%02X", byte.ord) }
  [200, { "Content-Type" => "text/plain", "X-Echo-Target" => target }, ["echo:#{target}:end\n"]]
}
