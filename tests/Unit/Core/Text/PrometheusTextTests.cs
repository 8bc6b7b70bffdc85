using System.Text;
using Bursar.Core.Text;
using FsCheck;
using FsCheck.Fluent;
using Prometheus;

namespace Bursar.Tests.Unit.Core.Text;

public sealed class PrometheusTextTests
{
    [Fact]
    public void Samples_come_with_their_labels_values_and_times()
    {
        var samples = PrometheusText.Parse(
            """
            # HELP vllm:num_requests_waiting Number of requests waiting.
            # TYPE vllm:num_requests_waiting gauge
            vllm:num_requests_waiting{engine="0",model_name="m"} 3.0
            up 1 1700000000000

              spaced  {  a = "b" , } 	 -2.5e-3   -7
            """
        );
        samples.Should().HaveCount(3);
        samples[0].Name.Should().Be("vllm:num_requests_waiting");
        samples[0].Label("model_name").Should().Be("m");
        samples[0].Label("absent").Should().BeNull();
        samples[0].Value.Should().Be(3);
        samples[0].TimestampMs.Should().BeNull();
        samples[1].TimestampMs.Should().Be(1_700_000_000_000);
        samples[2].Should().BeEquivalentTo(new PrometheusSample("spaced", [new("a", "b")], -0.0025, -7));
    }

    [Fact]
    public void Escapes_and_braces_inside_quotes_belong_to_the_value()
    {
        var sample = PrometheusText.Parse("""m{path="C:\\tmp",text="say \"hi\"\n}, {",ü="x"} 1""".Replace("ü", "u")).Single();
        sample.Label("path").Should().Be("""C:\tmp""");
        sample.Label("text").Should().Be("say \"hi\"\n}, {");
        sample.Label("u").Should().Be("x");
    }

    [Theory]
    [InlineData("NaN", double.NaN)]
    [InlineData("+Inf", double.PositiveInfinity)]
    [InlineData("Inf", double.PositiveInfinity)]
    [InlineData("-Inf", double.NegativeInfinity)]
    [InlineData("1E+06", 1e6)]
    [InlineData("+5", 5)]
    public void Values_are_Go_floats(string text, double value) => PrometheusText.Parse($"m {text}\n").Single().Value.Should().Be(value);

    [Fact]
    public void OpenMetrics_samples_are_read()
    {
        var samples = PrometheusText.Parse(
            """
            # TYPE r counter
            # UNIT r seconds
            r_total{code="200"} 17 1700000000.25 # {trace_id="a#b"} 0.5 1700000000.1
            r_created{code="200"} 1.6e9
            # EOF
            """
        );
        samples.Select(sample => sample.Name).Should().Equal("r_total", "r_created");
        samples[0].Value.Should().Be(17);
        samples[0].TimestampMs.Should().Be(1_700_000_000_250);
    }

    [Theory]
    [InlineData("1abc 2")]
    [InlineData("m")]
    [InlineData("m{a=\"b\"}")]
    [InlineData("m{a=\"b\" 1")]
    [InlineData("m{a=\"b} 1")]
    [InlineData("m{a=b} 1")]
    [InlineData("m{a\"b\"} 1")]
    [InlineData("m{a=\"b\"c=\"d\"} 1")]
    [InlineData("m{a=\"\\x\"} 1")]
    [InlineData("m{a=\"\\")]
    [InlineData("m{1a=\"b\"} 1")]
    [InlineData("m{,} 1")]
    [InlineData("m one")]
    [InlineData("m 1 later")]
    [InlineData("m 1 1.5")]
    [InlineData("m-n 1")]
    [InlineData("<html>")]
    [InlineData("{} 1")]
    public void Malformed_line_is_refused_with_its_number_and_the_others_are_read(string line)
    {
        var text = Encoding.UTF8.GetBytes($"first 1\n{line}\nlast 2\n");
        var read = new List<string>();
        var result = PrometheusText.Read(text, (in PrometheusLine sample) => read.Add(Encoding.UTF8.GetString(sample.Name)));
        read.Should().Equal("first", "last");
        result.Samples.Should().Be(2);
        result.Refused.Should().Be(1);
        result.Errors.Single().Line.Should().Be(2);

        read.Clear();
        var strict = () => PrometheusText.ReadStrict(text, (in PrometheusLine sample) => read.Add("called"));
        strict.Should().Throw<PrometheusFormatException>().Which.Error.Line.Should().Be(2);
        read.Should().BeEmpty();
    }

    [Fact]
    public void Text_of_nothing_but_errors_is_counted_and_described_in_part()
    {
        var result = PrometheusText.Read(
            Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("?\n", 1000))),
            (in PrometheusLine _) => { }
        );
        result.Refused.Should().Be(1000);
        result.Errors.Count.Should().BeLessThan(100);
    }

    [Fact]
    public void Parser_accepts_any_bytes_without_an_exception() =>
        Prop.ForAll(Gen.Elements("m{}=\"\\n,# 1a.\n\r\t\0é".ToCharArray()).ArrayOf().ToArbitrary(), characters =>
            {
                var result = PrometheusText.Read(Encoding.UTF8.GetBytes(new string(characters)), (in PrometheusLine line) =>
                    line.ToSample()
                );
                return result.Samples + result.Refused <= characters.Count(c => c == '\n') + 1;
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

    [Fact]
    public void Page_of_prometheus_net_reads_the_same() =>
        Prop.ForAll(ArbMap.Default.ArbFor<double>(), ArbMap.Default.ArbFor<string>(), (value, label) =>
            {
                // Lone halves of surrogate pairs are no text in UTF-8.
                label = new string((label ?? "").Where(c => !char.IsSurrogate(c)).ToArray());
                var registry = Metrics.NewCustomRegistry();
                Metrics.WithCustomRegistry(registry).CreateGauge("m", "help with \\ all", "a", "b").WithLabels(label, "x").Set(value);
                using var page = new MemoryStream();
                registry.CollectAndExportAsTextAsync(page).GetAwaiter().GetResult();
                var sample = PrometheusText.Parse(page.ToArray()).Single();
                return sample.Value.Equals(value) && sample.Label("a") == label && sample.Label("b") == "x";
            })
            .QuickCheckThrowOnFailure();
}
