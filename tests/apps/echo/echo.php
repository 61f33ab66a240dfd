<?php
// php -S 127.0.0.1:PORT echo.php: answers any request with what it was asked.
$target = preg_replace_callback('/[^\x21-\x7e]/', fn ($byte) => rawurlencode($byte[0]), $_SERVER['REQUEST_URI']);
$body = "echo:$target:end\n";
header('Content-Type: text/plain');
header('Content-Length: ' . strlen($body));
header("X-Echo-Target: $target");
echo $body;
