using System.Diagnostics;
using System.Globalization;
using System.Text;
using Bursar.Agent.Scrape;
using Bursar.Core.Text;

namespace Bursar.Tests.Benchmarks;

/// <summary>
/// A megabyte of a model server's page through the parser and the reader of tokens, beside a plain split of the same bytes into lines.
/// </summary>
internal static class ParseProcess
{
    private const int Bytes = 1024 * 1024;

    /// <summary>The duration of the alternating rounds. The least time of each counts.</summary>
    private static readonly TimeSpan Measuring = TimeSpan.FromSeconds(4);

    public static int Run()
    {
        var page = Page();
        var serving = new ServingReader(ServingMetrics.Known);
        var (samples, lines) = (0, 0);
        var best = new Dictionary<string, double>(StringComparer.Ordinal);
        void Measure(string what, Action act)
        {
            var begun = Stopwatch.GetTimestamp();
            act();
            var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
            best[what] = Math.Min(best.GetValueOrDefault(what, double.MaxValue), seconds);
        }
        for (var all = Stopwatch.StartNew(); all.Elapsed < Measuring; )
        {
            Measure("parse", () => samples = PrometheusText.ReadStrict(page, (in PrometheusLine _) => { }));
            Measure("tokens", () =>
            {
                if (serving.Read(page) is not { Outcome: ScrapeOutcome.Ok, Tokens.Count: 1 } read)
                    throw new InvalidOperationException("the page's tokens were not read");
            });
            Measure("split", () => lines = Split(page));
            Measure("strings", () => lines = Encoding.UTF8.GetString(page).Split('\n').Length - 1);
        }
        ChildProcess.Tell("bytes", page.Length);
        ChildProcess.Tell("lines", lines);
        ChildProcess.Tell("samples", samples);
        foreach (var (what, seconds) in best)
            ChildProcess.Tell(what, seconds);
        Console.WriteLine("end");
        return 0;
    }

    /// <summary>The lower bound for any parser: finding the ends of the lines.</summary>
    private static int Split(ReadOnlySpan<byte> text)
    {
        var lines = 0;
        for (int end; (end = text.IndexOf((byte)'\n')) >= 0; text = text[(end + 1)..])
            lines++;
        return lines;
    }

    /// <summary>A page as vLLM writes it: mostly histogram buckets, each with its labels, and a few lines that count.</summary>
    private static byte[] Page()
    {
        string[] histograms =
        [
            "vllm:time_to_first_token_seconds",
            "vllm:inter_token_latency_seconds",
            "vllm:e2e_request_latency_seconds",
            "vllm:request_queue_time_seconds",
            "vllm:request_prompt_tokens",
        ];
        var text = new StringBuilder(
            """
            # HELP vllm:prompt_tokens_total Number of prefill tokens processed.
            # TYPE vllm:prompt_tokens_total counter
            vllm:prompt_tokens_total{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 1.2345678e+07
            # TYPE vllm:generation_tokens_total counter
            vllm:generation_tokens_total{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 6.543210e+06
            vllm:num_requests_running{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 12.0

            """
        );
        for (var series = 0; text.Length < Bytes; series++)
        {
            var name = histograms[series % histograms.Length];
            var labels = string.Create(
                CultureInfo.InvariantCulture,
                $"engine=\"{series}\",finished_reason=\"stop\",model_name=\"meta-llama/Llama-3.1-8B-Instruct\""
            );
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} Histogram of one of many things.\n# TYPE {name} histogram\n");
            for (var bucket = 1; bucket <= 20; bucket++)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"{name}_bucket{{{labels},le=\"{bucket * 0.05:F2}\"}} {series * 31 + bucket * 17}.0\n"
                );
            text.Append(
                CultureInfo.InvariantCulture,
                $"{name}_bucket{{{labels},le=\"+Inf\"}} {series * 31 + 400}.0\n{name}_count{{{labels}}} {series * 31 + 400}.0\n{name}_sum{{{labels}}} {series * 1.37 + 0.123456}\n"
            );
        }
        // Cut at the end of a line.
        var bytes = Encoding.UTF8.GetBytes(text.ToString());
        return bytes[..(bytes.AsSpan(0, Bytes).LastIndexOf((byte)'\n') + 1)];
    }
}
