using System.Globalization;
using Bursar.Kubernetes.Config;
using Bursar.Tests.TestKit;
using Bursar.Tests.TestKit.Following;
using Bursar.Tests.TestKit.Sweeps;

namespace Bursar.Tests.Benchmarks;

/// <summary>All parts, one after the other, and the table beside the design's targets.</summary>
internal static class Suite
{
    private const double KiB = 1024,
        MiB = 1024 * 1024;

    public static async Task<int> RunAsync(SuiteOptions options, CancellationToken ct)
    {
        var table = new FigureTable();
        if (options.Asks("sandbox") && options.Pods > 0)
            await OnSandboxAsync(options, table, ct);
        if (options.Asks("kube-apiserver") && options.RealPods > 0)
            await OnRealServerAsync(options, table, ct);
        if (options.Asks("agent"))
            await AgentAsync(options, table, ct);
        if (options.Asks("exposition"))
            await ParseAsync(table, ct);
        if (options.Asks("scrape"))
            await ScrapeAsync(table, ct);
        if (options.Asks("scalers"))
            await ScalersAsync(table, ct);
        if (options.Asks("decisions"))
            await DecisionsAsync(table, ct);
        if (options.Asks("ledger"))
        {
            await LedgerAsync(table, ct);
            await ReplayAsync(options, table, ct);
        }
        if (options.Asks("sweeps"))
            Sweeps(table);
        if (options.Asks("forecast"))
            WindowForecasts(options, table);
        var scaling = options.Asks("scaling") ? Scaling(options, table) : [];
        table.Print();
        foreach (var (title, figures) in scaling)
        {
            Console.WriteLine($"\n{title}:\n");
            FigureTable.Print(FollowTable.Rows(figures));
        }
        return 0;
    }

    /// <summary>The likely end of a sweep's estimate against the simulated run, half-way.</summary>
    private static void Sweeps(FigureTable table)
    {
        Progress("forecasts of sweeps against the truth");
        foreach (var family in SweepErrors.Families)
        foreach (var one in SweepErrors.Measure(family, runs: 200))
        {
            var what = string.Create(
                CultureInfo.InvariantCulture,
                $"forecast: sweep, {family}, {one.Share:P0} done: error of the likely end, median and p90"
            );
            var measured = string.Create(CultureInfo.InvariantCulture, $"{one.Median:P1}, {one.P90:P1}");
            if (one.Share == 0.5)
                table.Add(what, measured, "median <= 10 %", one.Median <= 0.10);
            else
                table.Add(what, measured);
        }
    }

    private static void WindowForecasts(SuiteOptions options, FigureTable table)
    {
        Progress("forecasts for the window against the actual spending");
        WindowForecastPart.Measure(table);
        if (ReplayProcess.IsPresent(options.Traces))
            WindowForecastPart.MeasureTrace(options.Traces, table);
        else
            table.Skip("window forecast: a real trace", $"no traces in {options.Traces} (--traces names another folder)");
    }

    private static List<(string Title, IReadOnlyList<FollowFigures> Figures)> Scaling(SuiteOptions options, FigureTable table)
    {
        if (!ChatTrace.IsPresentIn(options.Traces))
        {
            table.Skip(
                "scaling: Bursar beside KEDA and an HPA over a real trace",
                $"no chat trace in {options.Traces} (--traces names another folder)"
            );
            return [];
        }
        Progress("an hour of a chat service, under each autoscaler");
        var all = ScalingPart.Play(options.Traces).ToList();
        var most = all.Max(one => one.Figures[0].ToScale.Max());
        table.Add(
            "scaling: from need to scale call at most, in simulation",
            $"{most.TotalSeconds:F1} s",
            "≤ 2 s",
            most <= TimeSpan.FromSeconds(2)
        );
        return all;
    }

    private static async Task OnSandboxAsync(SuiteOptions options, FigureTable table, CancellationToken ct)
    {
        Progress($"filling the embedded cluster with {options.Pods} pods");
        await using var sandbox = ChildProcess.Start("serve", options.Pods.ToString(CultureInfo.InvariantCulture));
        var kubeconfig = await sandbox.HearAsync(ct);
        // The server keeps its objects as ready bytes and sends far faster than an API server, for which the target is set.
        await ReaderAsync("sandbox", kubeconfig, sendsAsServersDo: false, table, ct);

        Progress("the operator on it");
        await OperatorAsync(options, kubeconfig, table, ct);
        Progress("its decisions");
        await using var child = ChildProcess.Start("pass", kubeconfig);
        var f = await child.FiguresAsync(ct);
        table.Add(
            $"operator: one decision pass, {f["pods"]:N0} pods, {f["budgets"]:N0} budgets",
            $"{f["pass"] * 1000:F0} ms",
            "< 250 ms",
            f["pass"] < 0.25
        );
        table.Add("operator: live heap, in a process of the bench", $"{f["heap"] / MiB:F0} MiB");
    }

    private static async Task OperatorAsync(SuiteOptions options, string kubeconfig, FigureTable table, CancellationToken ct)
    {
        if (!PublishedProcess.IsPresent("bursar"))
        {
            table.Skip("operator: start, memory, CPU, writes", PublishedProcess.Absent);
            return;
        }
        using var api = ApiConnection.Parse(KubeConfig.FromFile(kubeconfig));
        var budgets = options.Pods / Seeder.PodsPerJob;
        var f = await OperatorPart.MeasureAsync(kubeconfig, api, budgets, options.IdleSeconds, ct);
        var size = $"{options.Pods:N0} pods, {budgets:N0} budgets";
        table.Add(
            $"operator: process start to first decision, {size}",
            $"{f.FirstDecision:F1} s (CPU {f.FirstDecisionCpu:F1} s)",
            "< 5 s",
            f.FirstDecision < 5
        );
        table.Add("operator: process start to every budget decided", $"{f.AllDecided:F1} s");
        table.Add("operator: API writes until the new ledger is stored, once", $"{f.FirstWrites:N0} in {f.Settled:F0} s");
        table.Add(
            $"operator: resident, {options.IdleSeconds} s into running",
            $"{f.Resident / MiB:F0} MiB (anonymous {f.Anonymous / MiB:F0}, peak {f.Peak / MiB:F0})",
            "< 150 MiB",
            f.Resident < 150 * MiB
        );
        table.Add(
            $"operator: CPU while pods burn, {f.DecisionsPerSecond:F0} decisions/s",
            $"{f.CpuShare:F2} core",
            "< 0.2 core",
            f.CpuShare < 0.2
        );
        table.Add("operator: API writes while pods burn", $"{f.WritesPerSecond:F1} /s", "≤ 10 /s", f.WritesPerSecond <= 10);
    }

    private static async Task AgentAsync(SuiteOptions options, FigureTable table, CancellationToken ct)
    {
        if (AgentPart.WhyNot() is { } why)
        {
            table.Skip("agent: memory, CPU, scrapes", why);
            return;
        }
        Progress("the agent on a simulated node");
        var f = await AgentPart.MeasureAsync(options.IdleSeconds, ct);
        var load = $"{AgentPart.Gpus} GPUs each second, {AgentPart.Pods} pods every 5 s";
        table.Add($"agent: memory of its own (RssAnon), {load}", $"{f.Anonymous / MiB:F0} MiB", "≤ 30 MiB", f.Anonymous <= 30 * MiB);
        table.Add("agent: resident", $"{f.Resident / MiB:F0} MiB", "≤ 70 MiB", f.Resident <= 70 * MiB);
        table.Add($"agent: CPU after its first minute, {load}", $"{f.CpuShare * 100:F2} % of a core", "< 1 %", f.CpuShare < 0.01);
        table.Add($"agent: a round of {AgentPart.Pods} scrapes", $"{f.Round * 1000:F0} ms");
        var processes =
            $"{AgentPart.Gpus} GPUs and {AgentPart.Processes} processes each second, {AgentPart.Processes} pods, {AgentPart.Pods} of them scraped";
        table.Add($"agent: CPU, {processes}", $"{f.ProcessesCpuShare * 100:F2} % of a core", "< 1 %", f.ProcessesCpuShare < 0.01);
        table.Add(
            "agent: memory of its own (RssAnon), then",
            $"{f.ProcessesAnonymous / MiB:F0} MiB",
            "≤ 30 MiB",
            f.ProcessesAnonymous <= 30 * MiB
        );
        table.Add("agent: resident, then", $"{f.ProcessesResident / MiB:F0} MiB", "≤ 70 MiB", f.ProcessesResident <= 70 * MiB);
        table.Add($"agent: with {AgentPart.ManyPods} pods", $"{f.ManyCpuShare * 100:F2} % of a core, a round {f.ManyRound * 1000:F0} ms");
    }

    private static async Task OnRealServerAsync(SuiteOptions options, FigureTable table, CancellationToken ct)
    {
        if (!ControlPlane.IsPresent)
        {
            table.Skip("kube-apiserver: list, cache, updates", ControlPlane.Absent);
            return;
        }
        Progress($"filling a kube-apiserver with {options.RealPods} pods");
        await using var plane = await ControlPlane.StartAsync(controllers: null, withScheduler: false, withServiceAccounts: false, ct);
        using (var api = new ApiConnection(plane.Address, plane.Token))
            await new Seeder(api).SeedPodsAsync(options.RealPods, ct);
        await ReaderAsync("kube-apiserver", plane.KubeconfigPath, sendsAsServersDo: true, table, ct);
    }

    private static async Task ReaderAsync(string server, string kubeconfig, bool sendsAsServersDo, FigureTable table, CancellationToken ct)
    {
        Progress($"reading the {server}'s pods");
        await using var child = ChildProcess.Start("read", kubeconfig);
        var f = await child.FiguresAsync(ct);
        var pods = $"{f["pods"]:N0} pods of {f["bytesPerPod"] / 1000:F1} KB";
        var ratio = f["decodedSeconds"] / f["rawSeconds"];
        table.Add($"{server}: heap per cached pod, {pods}", $"{f["heapPerPod"] / KiB:F2} KiB", "≤ 2 KiB", f["heapPerPod"] <= 2 * KiB);
        table.Add($"{server}: resident with that cache, after listing five times", $"{f["resident"] / MiB:F0} MiB");
        var (what, measured) = (
            $"{server}: list and decode / raw sending time",
            $"{ratio:F2} ({f["decodedSeconds"]:F2} s / {f["rawSeconds"]:F2} s; CPU here {f["decodedCpu"]:F2} s / {f["rawCpu"]:F2} s)"
        );
        if (sendsAsServersDo)
            table.Add(what, measured, "≤ 1.2", ratio <= 1.2);
        else
            table.Add(what, measured);
        table.Add($"{server}: CPU per 1,000 pod updates seen", $"{f["updatesCpu"]:F2} s", "≤ 0.2 s", f["updatesCpu"] <= 0.2);
    }

    private static async Task ParseAsync(FigureTable table, CancellationToken ct)
    {
        Progress("parsing a page of a megabyte");
        await using var child = ChildProcess.Start("parse");
        var f = await child.FiguresAsync(ct);
        string Speed(string what) => $"{f["bytes"] / MiB / f[what]:F0} MiB/s";
        table.Add(
            $"exposition of {f["bytes"] / MiB:F1} MiB, {f["samples"]:N0} samples: parsed, every line checked",
            $"{Speed("parse")} ({f["parse"] * 1000:F1} ms)"
        );
        table.Add(
            "exposition: and a model server's tokens read from it, as the agent does",
            $"{Speed("tokens")} ({f["tokens"] * 1000:F1} ms)"
        );
        table.Add(
            "exposition: parsing / splitting the bytes into lines and doing nothing",
            $"{f["parse"] / f["split"]:F1} ({Speed("split")})"
        );
        table.Add("exposition: parsing / splitting it into strings of a line each", $"{f["parse"] / f["strings"]:F2} ({Speed("strings")})");
    }

    private static async Task ScrapeAsync(FigureTable table, CancellationToken ct)
    {
        Progress("scraping the operator");
        await using var child = ChildProcess.Start("scrape");
        var f = await child.FiguresAsync(ct);
        table.Add(
            $"metrics: CPU of a scrape of the operator, {f["series"]:N0} series, {f["bytes"] / MiB:F1} MiB",
            $"{f["scrape"] * 1000:F0} ms ({f["scrape"] / f["read"]:F1} times reading the page, {f["read"] * 1000:F0} ms)"
        );
        table.Add("metrics: allocated by it", $"{f["allocated"] / MiB:F1} MiB");
    }

    private static async Task ScalersAsync(FigureTable table, CancellationToken ct)
    {
        Progress("a thousand scalers");
        await using var child = ChildProcess.Start("scalers");
        var f = await child.FiguresAsync(ct);
        table.Add(
            $"scalers: one pass of demand, division and decision, {f["scalers"]:N0} scalers on 10 budgets, windows of five minutes full",
            $"{f["median"] * 1000:F1} ms (99 of 100 below {f["slow"] * 1000:F1})",
            "< 100 ms",
            f["slow"] + f["targets"] < 0.1
        );
        table.Add(
            $"scalers: their targets found, with what owns the replicas and the pods, {f["scalers"]:N0} Deployments under KEDA",
            $"{f["targets"] * 1000:F1} ms"
        );
    }

    private static async Task DecisionsAsync(FigureTable table, CancellationToken ct)
    {
        Progress("decisions with many suspended jobs");
        await using var child = ChildProcess.Start("decisions");
        var f = await child.FiguresAsync(ct);
        foreach (var window in (string[])["month", "rolling"])
            table.Add(
                $"decision: {f["running"]:N0} running and {f["suspended"]:N0} suspended jobs, {window} window",
                $"{f[window] * 1000:F1} ms",
                "< 5 ms",
                f[window] < 0.005
            );
    }

    private static async Task LedgerAsync(FigureTable table, CancellationToken ct)
    {
        Progress("fifty thousand pods through the ledger");
        await using var child = ChildProcess.Start("ledger");
        var f = await child.FiguresAsync(ct);
        table.Add(
            $"ledger: {f["pods"]:N0} pods of ten days replayed, {f["intervals"]:N0} measured minutes, all sums and bills",
            $"{f["seconds"]:F2} s (starts and ends {f["telling"]:F2}, measured {f["measuring"]:F2}, sums {f["summing"]:F2})",
            "seconds",
            f["seconds"] < 10
        );
        table.Add(
            "ledger: written hourly as JSON meanwhile",
            $"{f["writing"]:F1} s, {f["shards"]:N0} shards, {f["bytes"] / f["pods"]:F0} bytes a pod, the largest shard {f["largest"] / KiB:F0} KiB"
        );
        table.Add("ledger: read back from the shards", $"{f["loading"]:F2} s, {f["heap"] / MiB:F0} MiB of heap");
    }

    private static async Task ReplayAsync(SuiteOptions options, FigureTable table, CancellationToken ct)
    {
        if (!ReplayProcess.IsPresent(options.Traces))
        {
            table.Skip("ledger: replay of a real trace", $"no traces in {options.Traces} (--traces names another folder)");
            return;
        }
        Progress("replaying the trace");
        await using var child = ChildProcess.Start("replay", options.Traces);
        var f = await child.FiguresAsync(ct);
        table.Add(
            $"ledger: replay of {f["tasks"]:N0} tasks ({f["gpuTasks"]:N0} with GPUs, {f["days"]:N0} days, sums each day, all bills)",
            $"{f["seconds"]:F2} s",
            "seconds",
            f["seconds"] < 10
        );
    }

    private static void Progress(string text) => Console.Error.WriteLine($"bench: {text}");
}
