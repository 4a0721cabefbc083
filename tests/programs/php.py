#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""php: the language alone, then with the extensions that the machine has.

PHP loads an extension with RTLD_DEEPBIND, so the extension and its dependencies
prefer libc's malloc: blocks then cross between two heaps, and a preloaded
allocator that does not prevent this crashes here."""

import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402

PLAIN = r"""<?php
[$self, $scale] = $argv;
mt_srand(4711);
$words = [];
for ($i = 0; $i < 20000 * $scale; $i++)
  $words[] = substr(md5((string)mt_rand()), 0, mt_rand(2, 12));
sort($words);
$count = array_count_values(array_map(fn($w) => $w[0], $words));
ksort($count);
echo json_encode($count), "\n";
$tree = [];
foreach ($words as $i => $word)
  $tree[$word[0]][$word[1]][] = ['word' => $word, 'at' => $i];
echo md5(serialize($tree)), ' ', strlen(json_encode($tree)), "\n";
$text = implode(' ', $words);
$text = preg_replace_callback('/\b([a-f])(\w+)/',
  fn($m) => strtoupper($m[1]) . strrev($m[2]), $text);
echo md5($text), ' ', preg_match_all('/[A-F]\d+/', $text), "\n";
unset($tree, $words);
class Part {
  public array $next = [];
  public function __construct(public int $value) {}
}
$parts = [];
for ($i = 0; $i < 4000 * $scale; $i++) {
  $part = new Part($i);
  if ($i) $part->next[] = $parts[mt_rand(0, $i - 1)];
  $part->next[] = $part;
  $parts[] = $part;
}
$sum = 0;
foreach ($parts as $part) $sum += $part->next[0]->value;
unset($parts, $part);
echo $sum, ' ', gc_collect_cycles() > 0 ? 'collected' : 'nothing', "\n";
echo strlen(str_repeat('ab', 3000000)), ' ', crc32(str_pad('', 777777, 'xyz')),
  "\n";
"""

EXTENDED = r"""<?php
[$self, $scale] = $argv;
$loaded = get_loaded_extensions();
sort($loaded);
echo implode(' ', $loaded), "\n";
$used = [];
if (class_exists('DOMDocument')) {
  $used[] = 'dom';
  $document = new DOMDocument();
  $root = $document->appendChild($document->createElement('shop'));
  for ($i = 0; $i < 2000 * $scale; $i++) {
    $item = $root->appendChild($document->createElement('item', "text $i"));
    $item->setAttribute('number', (string)($i * 7 % 1000));
    if ($i % 5 == 4) $root->removeChild($root->firstChild);
  }
  $xml = $document->saveXML();
  $found = (new DOMXPath($document))->query('//item[@number > 900]');
  echo md5($xml), ' ', $found->length, "\n";
  $again = simplexml_load_string($xml);
  echo count($again->item), ' ', $again->item[17], "\n";
  libxml_use_internal_errors(true);
  echo var_export(simplexml_load_string('<a><b></a>'), true), ' ',
    count(libxml_get_errors()), "\n";
}
if (class_exists('SQLite3')) {
  $used[] = 'sqlite3';
  $base = new SQLite3(':memory:');
  $base->exec('create table t (a integer, b text)');
  $put = $base->prepare('insert into t values (?, ?)');
  for ($i = 0; $i < 3000 * $scale; $i++) {
    $put->bindValue(1, $i % 100);
    $put->bindValue(2, md5((string)$i));
    $put->execute();
    $put->reset();
  }
  $base->createFunction('twice', fn($text) => $text . $text);
  echo json_encode($base->querySingle('select count(*), sum(a),
    max(twice(b)) from t', true)), "\n";
}
if (function_exists('mb_convert_encoding')) {
  $used[] = 'mbstring';
  $text = str_repeat("gr\u{fc}\u{df}e \u{65e5}\u{672c} ", 2000 * $scale);
  echo md5(mb_convert_encoding(mb_strtoupper($text), 'UTF-16', 'UTF-8')), ' ',
    mb_strlen($text), "\n";
}
if (function_exists('iconv')) {
  $used[] = 'iconv';
  echo md5(iconv('UTF-8', 'UTF-16LE', str_repeat('tcm ', 40000))), "\n";
}
if (function_exists('finfo_open')) {
  $used[] = 'fileinfo';
  echo finfo_buffer(finfo_open(FILEINFO_MIME_TYPE), "\x89PNG\r\n\x1a\n" .
    str_repeat("\0", 64)), "\n";
}
echo 'used ', implode(' ', $used), "\n";
$mapped = [];
foreach (file('/proc/self/maps') as $line)
  if (preg_match('#/([a-z_0-9]+)\.so$#', rtrim($line), $match)
      && extension_loaded($match[1]))
    $mapped[$match[1]] = true;
ksort($mapped);
echo 'from files ', implode(' ', array_keys($mapped)), "\n";
"""


class Php:
    name = "php"

    def missing(self):
        if harness.find_program("php") is None:
            return "php is not installed"
        return None

    def prepare(self, bench):
        pass

    def php(self, run, label, script, *settings):
        path = run.write(label + ".php", script)
        done = run.call([harness.find_program("php"), *settings, path,
                         str(run.scale(small=1, quick=6, demo=12))],
                        env={"USE_ZEND_ALLOC": "0",
                             "USE_TRACKED_ALLOC": "0"})
        run.out(label, done.out)
        run.out(label + " complaints", done.err)
        return done.out

    def run(self, run):
        self.php(run, "plain", PLAIN, "-n", "-d", "memory_limit=-1")
        said = self.php(run, "extended", EXTENDED, "-d", "memory_limit=-1",
                        "-d", "display_errors=stderr")
        from_files = said.split(b"from files", 1)[-1].split()
        if not from_files:
            raise harness.Failure(
                "php has no extension that is loaded from a file")


if __name__ == "__main__":
    harness.run_as_script(Php())
