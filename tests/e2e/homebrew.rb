# SPDX-License-Identifier: Apache-2.0
# What brew does with a formula, as far as ours uses it: homebrew.rb FORMULA facts, or homebrew.rb FORMULA install PREFIX
# in the unpacked source. Source: Formula and SoftwareSpec of Homebrew (docs.brew.sh/rubydoc).
require "json"
require "pathname"

class Formula
  FACTS = { "dependencies" => [] }

  %w[desc homepage url sha256 license].each do |field|
    define_singleton_method(field) { |value| FACTS[field] = value }
  end

  def self.depends_on(name)
    FACTS["dependencies"] << (name.is_a?(Hash) ? name.keys.first : name)
  end

  def self.uses_from_macos(name)
    depends_on(name)
  end

  def self.test(&block)
    define_method(:run_test, &block)
  end

  def prefix = Pathname(ARGV[2])
  def bin = prefix / "bin"
  def lib = prefix / "lib"
  def version = FACTS["url"][/-([0-9.]+)\.tar/, 1]
  def std_meson_args = ["--prefix=#{prefix}", "--libdir=#{lib}", "--buildtype=release", "--wrap-mode=nofallback"]

  def system(*command)
    Kernel.system(*command.map(&:to_s)) || abort("failed: #{command.join(" ")}")
  end

  def shell_output(command, wanted = 0)
    said = `#{command}`
    $?.exitstatus == wanted ? said : abort("exit code #{$?.exitstatus} of: #{command}\n#{said}")
  end

  def assert_match(wanted, said)
    said.match?(wanted.is_a?(Regexp) ? wanted : Regexp.escape(wanted)) || abort("no '#{wanted}' in: #{said}")
  end
end

load ARGV[0]
formula = KubectlSniff.new
if ARGV[1] == "facts"
  puts Formula::FACTS.to_json
else
  formula.install
  formula.run_test
end
