using System.Text.Json.Nodes;
using Bursar.Hosting;
using Bursar.Operator.Commands;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Operator.Commands;

/// <summary>The examples of the founding articles (shared/seeds.md), and wrong usage.</summary>
public sealed class PlanCommandTests
{
    [Theory]
    [InlineData("request --gpu A10 --list founding --seconds 2", "cost per request", "0.000416666667", "USD")]
    [InlineData("request --gpu A100 --list founding --seconds 0.001", "cost per request", "0.000001111111", "USD")]
    [InlineData(
        "request --price 0.75 --seconds 2 --at-once 4 --gpus 2 --per-day 100000 --days 31",
        "cost per month",
        "645.833333333333",
        "USD"
    )]
    [InlineData("request --price 0.75 --seconds 2 --per-day 1000", "cost per month of 1 that always runs", "540", "USD")]
    [InlineData("request --price 0.75 --seconds 2 --per-day 100000", "cost per month of 3 that always run", "1620", "USD")]
    [InlineData("request --price 0.75 --seconds 2 --per-day 54000", "replicas in use on average", "1.25", "")]
    [InlineData("request --tokens 1500 --per-1000-tokens 0.002", "cost per request", "0.003", "USD")]
    [InlineData("training --gpu V100 --step-seconds 0.085 --steps 10000", "cost per step", "0.00007225", "USD")]
    [InlineData("training --gpu V100 --step-seconds 0.085 --steps 10000", "cost of the run", "0.7225", "USD")]
    [InlineData("training --price 3.06 --step-seconds 0.09 --steps 30000", "duration", "2700", "s")]
    [InlineData("training --price 3.06 --step-seconds 0.09 --steps 30000 --currency EUR", "cost of the run", "2.295", "EUR")]
    [InlineData("own --purchase 10000 --yearly 2000 --other 1000 --price 1.37 --rented-yearly 3000", "owned", "13000", "USD")]
    [InlineData("own --purchase 10000 --yearly 2000 --other 1000 --price 1.37 --rented-yearly 3000", "rented", "15001.2", "USD")]
    [InlineData("own --purchase 12000 --price 2 --hours-per-year 1000 --gpus 2 --years 2", "saved by renting", "4000", "USD")]
    [InlineData("own --purchase 12000 --price 2 --hours-per-year 1000 --gpus 2 --years 2", "owning costs less after", "3", "years")]
    [InlineData("payback --cost 2000 --monthly-before 1000", "paid back after", "2", "months")]
    [InlineData("payback --cost 7000 --monthly-before 20000 --monthly-after 6000", "saving per month", "14000", "USD")]
    [InlineData("tokens --list founding", "NVIDIA-A10", "384000", "tokens per USD")]
    [InlineData("tokens --list founding", "NVIDIA-H100-80GB-HBM3", "324000", "tokens per USD")]
    [InlineData("tokens --card T4=0.50,40", "T4", "288000", "tokens per USD")]
    [InlineData("gate --accuracy-before 85 --accuracy-after 87 --cost-before 1 --cost-after 1.2", "cost added", "20", "%")]
    public async Task Example_gives_its_value(string line, string name, string value, string unit)
    {
        var (code, output, error) = await RunAsync($"{line} -o json");

        error.Should().BeEmpty();
        code.Should().Be(0);
        JsonNode.Parse(output)!["lines"]!
            .AsArray()
            .Where(one => (string?)one!["name"] == name)
            .Select(one => ((string?)one!["value"], (string?)one["unit"]))
            .Should()
            .Equal((value, unit));
    }

    [Theory]
    [InlineData("gate --accuracy-before 85 --accuracy-after 87 --cost-before 1 --cost-after 1.2", 0, "new model may go live: yes")]
    [InlineData("gate --accuracy-before 85 --accuracy-after 86.9 --cost-before 1 --cost-after 1.2", 1, "new model may go live: no")]
    [InlineData("gate --accuracy-before 85 --accuracy-after 87 --cost-before 1 --cost-after 1.21", 1, "new model may go live: no")]
    [InlineData(
        "gate --accuracy-before 85 --accuracy-after 86 --cost-before 1 --cost-after 1.5 --min-points 1 --max-percent 50",
        0,
        "new model may go live: yes"
    )]
    [InlineData("payback --cost 2000 --monthly-before 1000 --monthly-after 1000", 1, "pays back: no")]
    public async Task Question_of_yes_or_no_has_an_exit_code(string line, int expected, string answer)
    {
        var (code, output, _) = await RunAsync(line);

        code.Should().Be(expected);
        output.TrimEnd().Split('\n')[^1].Should().Be(answer);
    }

    [Fact]
    public async Task Table_shows_the_formula_and_three_digits_of_small_amounts()
    {
        var (_, output, _) = await RunAsync("request --price 0.75 --seconds 2");

        output
            .Should()
            .Be(
                "cost per request         0.000417 USD  = 0.75 / 3600 × 2\ncost per 1,000 requests      0.42 USD  = 0.000416666667 × 1000\n"
            );
    }

    [Fact]
    public async Task Every_form_has_the_same_values()
    {
        const string line = "tokens --list founding";
        var json = (await RunAsync($"{line} -o json")).Output;
        var yaml = (await RunAsync($"{line} -o yaml")).Output;
        var csv = (await RunAsync($"{line} -o csv")).Output;

        var lines = JsonNode.Parse(json)!["lines"]!.AsArray();
        JsonNode.DeepEquals(Bursar.Kubernetes.Crds.YamlReader.ReadAll(yaml).Single(), JsonNode.Parse(json)).Should().BeTrue();
        csv.TrimEnd().Split("\r\n").Skip(1).Should().HaveCount(lines.Count);
        foreach (var one in lines)
            csv.Should().Contain($"{one!["name"]},{one["value"]},{one["unit"]},{one["formula"]}\r\n");
    }

    [Fact]
    public async Task Price_book_of_a_file_gives_price_and_currency()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(
                file,
                """
                apiVersion: bursar.dev/v1alpha1
                kind: GpuPriceBook
                metadata: {name: ours}
                spec:
                  currency: EUR
                  rates: [{match: {product: "*H100*"}, perGpuHour: "1.80"}]
                """
            );
            var (code, output, error) = await RunAsync($"request --prices {file} --gpu NVIDIA-H100-80GB-HBM3 --seconds 3600 -o csv");

            error.Should().BeEmpty();
            code.Should().Be(0);
            output.Should().Contain("cost per request,1.8,EUR,");
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("request", 2, "Either --seconds")]
    [InlineData("request --tokens 5", 2, "Either --seconds")]
    [InlineData("request --seconds 2 --tokens 5 --per-1000-tokens 1", 2, "not by both")]
    [InlineData("request --seconds 2", 2, "give --price or --gpu")]
    [InlineData("request --seconds 2 --price 1 --gpu A10", 2, "both give a price")]
    [InlineData("request --seconds 0 --price 1", 2, "--seconds is a number above 0")]
    [InlineData("request --seconds -1 --price 1", 2, "--seconds is a number above 0")]
    [InlineData("request --seconds 1e3 --price 1", 2, "--seconds is a number above 0")]
    [InlineData("request --seconds 1 --price 1 --gpus 0", 2, "--gpus is a whole number")]
    [InlineData("request --seconds 1 --price 1 --days x", 2, "--days")]
    [InlineData("request --seconds 1 --price 1 --currency usd", 2, "three capital letters")]
    [InlineData("request --seconds 1 --gpu A10 --currency EUR", 2, "has its own currency")]
    [InlineData("tokens --currency EUR", 2, "has its own currency")]
    [InlineData("request --seconds 1 --gpu A9", 1, "the public list has no price for A9")]
    [InlineData("request --seconds 1 --gpu A10 --prices /nonexistent/book.yaml", 1, "there is no file book.yaml")]
    [InlineData("request --price 999999999999 --seconds 999999999999 --per-day 999999999999", 2, "too large")]
    [InlineData("tokens --card X=1", 2, "NAME=PRICE,TOKENS")]
    [InlineData("tokens --card X=0,1", 2, "NAME=PRICE,TOKENS")]
    [InlineData("gate --accuracy-before 85 --accuracy-after 87 --cost-before 0 --cost-after 1", 2, "--cost-before is a number above 0")]
    public async Task Wrong_usage_is_one_sentence(string line, int expected, string sentence)
    {
        var (code, output, error) = await RunAsync(line);

        code.Should().Be(expected);
        output.Should().BeEmpty();
        error.Should().StartWith("error: ").And.Contain(sentence);
        error.TrimEnd().Should().NotContain("\n");
    }

    [Fact]
    public async Task Page_shows_the_real_output_of_its_commands()
    {
        var examples = Repository
            .Read("docs/tasks/plan.md")
            .Split("```console\n")
            .Skip(1)
            .SelectMany(block => block[..block.IndexOf("```", StringComparison.Ordinal)].Split("$ bursar plan ").Skip(1))
            .ToArray();

        examples.Should().HaveCount(6);
        foreach (var example in examples)
        {
            var (line, shown) = (example[..example.IndexOf('\n')], example[(example.IndexOf('\n') + 1)..]);
            var output = (await RunAsync(line)).Output;
            string.Join('\n', output.Split('\n').Select(one => one.TrimEnd())).Should().Be(shown, line);
        }
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(string line)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(
            RootCommands.Create(),
            ["plan", .. line.Split(' ')],
            Failures.Describe,
            new() { Output = output, Error = error }
        );
        return (code, output.ToString(), error.ToString());
    }
}
