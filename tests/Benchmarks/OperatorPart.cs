using System.Diagnostics;
using System.Globalization;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Benchmarks;

/// <summary>The shipped operator on a filled cluster, watched from outside: how fast it is there, what it holds, what it writes.</summary>
internal static class OperatorPart
{
    private static readonly TimeSpan SettleLimit = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(120);

    public sealed record Figures(
        double FirstDecision,
        double FirstDecisionCpu,
        double AllDecided,
        double Settled,
        long FirstWrites,
        double CpuShare,
        double DecisionsPerSecond,
        double WritesPerSecond,
        long Resident,
        long Anonymous,
        long Peak
    );

    public static async Task<Figures> MeasureAsync(string kubeconfig, ApiConnection api, int budgets, int idleSeconds, CancellationToken ct)
    {
        var versionBefore = await api.VersionAsync(ct);
        var port = FreePort.Next();
        await using var bursar = PublishedProcess.Start(
            "bursar",
            null,
            "operator",
            "--kubeconfig",
            kubeconfig,
            "--metrics-address",
            $"127.0.0.1:{port}",
            "--log-level",
            "warning"
        );
        using var http = new HttpClient();
        var page = new Uri($"http://127.0.0.1:{port}/metrics");

        // Its own metrics count decisions. Each scrape is a little of what is measured, and with a thousand budgets the page is large.
        double first = 0,
            firstCpu = 0,
            all;
        while (true)
        {
            bursar.MustRun();
            if (bursar.Age > StartLimit.TotalSeconds)
                throw new TimeoutException("the operator has not decided every budget");
            var decided = await CountAsync(http, page, "bursar_budget_limit{", ct);
            if (decided > 0 && first == 0)
                (first, firstCpu) = (bursar.Age, bursar.Cpu);
            all = bursar.Age;
            if (decided >= budgets)
                break;
            await Task.Delay(decided == 0 ? 50 : 500, ct);
        }

        // The ledger's objects are made once, at the start; the table is about the time after that.
        var settling = Stopwatch.StartNew();
        var calm = 0;
        for (long last = await api.VersionAsync(ct), now; calm < 3 && settling.Elapsed < SettleLimit; last = now)
        {
            await Task.Delay(2000, ct);
            now = await api.VersionAsync(ct);
            calm = now - last <= 25 ? calm + 1 : 0;
        }
        var settled = bursar.Age;

        var (decisionsBefore, version) = (await DecisionsAsync(http, page, ct), await api.VersionAsync(ct));
        var firstWrites = version - versionBefore;
        var (cpu, clock) = (bursar.Cpu, Stopwatch.StartNew());
        await Task.Delay(TimeSpan.FromSeconds(idleSeconds), ct);
        var (share, seconds) = ((bursar.Cpu - cpu) / clock.Elapsed.TotalSeconds, clock.Elapsed.TotalSeconds);
        var writes = (await api.VersionAsync(ct) - version) / seconds;
        var (resident, anonymous, peak) = (bursar.Memory("VmRSS"), bursar.Memory("RssAnon"), bursar.Memory("VmHWM"));
        var decisions = (await DecisionsAsync(http, page, ct) - decisionsBefore) / seconds;
        return new(first, firstCpu, all, settled, firstWrites, share, decisions, writes, resident, anonymous, peak);
    }

    private static async Task<int> CountAsync(HttpClient http, Uri page, string start, CancellationToken ct)
    {
        try
        {
            return (await http.GetStringAsync(page, ct)).Split('\n').Count(line => line.StartsWith(start, StringComparison.Ordinal));
        }
        catch (HttpRequestException)
        {
            // The endpoint is not listening yet.
            return 0;
        }
    }

    /// <summary>Returns how often a budget was decided.</summary>
    private static async Task<double> DecisionsAsync(HttpClient http, Uri page, CancellationToken ct) =>
        (await http.GetStringAsync(page, ct))
            .Split('\n')
            .Where(line =>
                line.StartsWith("bursar_reconcile_duration_seconds_count", StringComparison.Ordinal)
                && line.Contains("GpuBudget\"", StringComparison.Ordinal)
            )
            .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
}
