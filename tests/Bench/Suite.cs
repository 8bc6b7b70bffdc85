using System.Globalization;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Bench;

/// <summary>All parts, one after the other, and the table beside the design's targets.</summary>
internal static class Suite
{
    private const double KiB = 1024, MiB = 1024 * 1024;

    public static async Task<int> RunAsync(SuiteOptions options, CancellationToken ct)
    {
        var table = new FigureTable();
        if (options.Pods > 0) await OnSandboxAsync(options, table, ct);
        if (options.RealPods > 0) await OnRealServerAsync(options, table, ct);
        await ReplayAsync(options, table, ct);
        table.Print();
        return 0;
    }

    private static async Task OnSandboxAsync(SuiteOptions options, FigureTable table, CancellationToken ct)
    {
        Progress($"filling the embedded cluster with {options.Pods} pods");
        await using var sandbox = ChildProcess.Start("serve", options.Pods.ToString(CultureInfo.InvariantCulture));
        var kubeconfig = await sandbox.HearAsync(ct);
        await ReaderAsync("sandbox", kubeconfig, table, ct);

        Progress("the operator on it");
        await using var child = ChildProcess.Start("operate", kubeconfig, options.IdleSeconds.ToString(CultureInfo.InvariantCulture));
        var f = await child.FiguresAsync(ct);
        var size = $"{f["pods"]:N0} pods, {f["budgets"]:N0} budgets";
        table.Add($"operator: process start to first decision, {size}", $"{f["firstDecision"]:F1} s (CPU {f["firstDecisionCpu"]:F1} s)", "< 5 s", f["firstDecision"] < 5);
        table.Add("operator: process start to every budget decided", $"{f["allDecided"]:F1} s");
        table.Add("operator: API writes until the new ledger is stored, once", $"{f["firstWrites"]:N0} in {f["settled"]:F0} s");
        table.Add($"operator: one decision pass, {size}", $"{f["pass"] * 1000:F0} ms", "< 250 ms", f["pass"] < 0.25);
        table.Add($"operator: resident, {options.IdleSeconds} s into running", $"{f["resident"] / MiB:F0} MiB (anonymous {f["anonymous"] / MiB:F0}, peak {f["peak"] / MiB:F0}, live heap {f["heap"] / MiB:F0})", "< 150 MiB", f["resident"] < 150 * MiB);
        table.Add($"operator: CPU while pods burn, {f["decisionsPerSecond"]:F0} decisions/s", $"{f["cpuShare"]:F2} core", "< 0.2 core", f["cpuShare"] < 0.2);
        table.Add("operator: API writes while pods burn", $"{f["writesPerSecond"]:F1} /s", "≤ 10 /s", f["writesPerSecond"] <= 10);
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
        using (var api = new ApiConnection(plane.Address, plane.Token)) await new Seeder(api).SeedPodsAsync(options.RealPods, ct);
        await ReaderAsync("kube-apiserver", plane.KubeconfigPath, table, ct);
    }

    private static async Task ReaderAsync(string server, string kubeconfig, FigureTable table, CancellationToken ct)
    {
        Progress($"reading the {server}'s pods");
        await using var child = ChildProcess.Start("read", kubeconfig);
        var f = await child.FiguresAsync(ct);
        var pods = $"{f["pods"]:N0} pods of {f["bytesPerPod"] / 1000:F1} KB";
        var ratio = f["decodedSeconds"] / f["rawSeconds"];
        table.Add($"{server}: heap per cached pod, {pods}", $"{f["heapPerPod"] / KiB:F2} KiB", "≤ 2 KiB", f["heapPerPod"] <= 2 * KiB);
        table.Add($"{server}: resident with that cache, after listing five times", $"{f["resident"] / MiB:F0} MiB");
        table.Add($"{server}: list and decode / raw sending time", $"{ratio:F2} ({f["decodedSeconds"]:F2} s / {f["rawSeconds"]:F2} s; CPU here {f["decodedCpu"]:F2} s / {f["rawCpu"]:F2} s)", "≤ 1.2", ratio <= 1.2);
        table.Add($"{server}: CPU per 1,000 pod updates seen", $"{f["updatesCpu"]:F2} s", "≤ 0.2 s", f["updatesCpu"] <= 0.2);
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
        table.Add($"ledger: replay of {f["tasks"]:N0} tasks ({f["gpuTasks"]:N0} with GPUs, {f["days"]:N0} days, sums each day, all bills)", $"{f["seconds"]:F2} s", "seconds", f["seconds"] < 10);
    }

    private static void Progress(string text) => Console.Error.WriteLine($"bench: {text}");
}
