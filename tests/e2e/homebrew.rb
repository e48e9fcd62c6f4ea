# SPDX-License-Identifier: Apache-2.0
# What brew does with a formula, as far as ours uses it: homebrew.rb FORMULA facts, homebrew.rb FORMULA caveats, or
# homebrew.rb FORMULA install PREFIX in the unpacked source. Source: Formula and SoftwareSpec of Homebrew (docs.brew.sh/rubydoc).
require "digest"
require "fileutils"
require "json"
require "pathname"

class Formula
  FACTS = { "dependencies" => [], "resources" => {} }

  # What is fetched besides the source; here it stands beside the formula.
  class Resource
    attr_reader :facts

    def initialize
      @facts = {}
    end

    def url(value) = facts["url"] = value
    def sha256(value) = facts["sha256"] = value

    # As brew: what is in an archive's one directory.
    def stage(target)
      FileUtils.mkdir_p(target)
      archive = File.join(File.dirname(File.expand_path(ARGV[0])), File.basename(facts["url"]))
      abort("#{archive} is another") if Digest::SHA256.file(archive).hexdigest != facts["sha256"]
      Kernel.system("tar", "-xzf", archive, "-C", target.to_s, "--strip-components=1") || abort("no #{archive}")
    end
  end

  RESOURCES = {}

  def self.resource(name, &block)
    RESOURCES[name] = Resource.new
    RESOURCES[name].instance_eval(&block)
    FACTS["resources"][name] = RESOURCES[name].facts
  end

  def resource(name) = RESOURCES.fetch(name)
  def buildpath = Pathname(Dir.pwd)

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
elsif ARGV[1] == "caveats"
  puts formula.caveats
else
  formula.install
  formula.run_test
end
