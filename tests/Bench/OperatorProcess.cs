using System.Diagnostics;
using Bursar.Core.Decisions;
using Bursar.Kube.Config;
using Bursar.Operator;
using Bursar.Operator.Api;
using Bursar.Operator.Budgets;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Bench;

/// <summary>The real operator on a filled cluster: how fast it is there, what it holds, what it writes, how long it thinks.</summary>
internal static class OperatorProcess
{
    private const int Passes = 7;
    private static readonly TimeSpan SettleLimit = TimeSpan.FromSeconds(60);

    public static async Task<int> RunAsync(string kubeconfig, int idleSeconds, CancellationToken ct)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var config = KubeConfig.FromFile(kubeconfig);
        using var api = ApiConnection.Of(config);
        var leads = new TaskCompletionSource<OperatorParts>(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var decided = new System.Collections.Concurrent.ConcurrentDictionary<string, bool>();
        var decisions = 0;
        var started = Process.GetCurrentProcess().StartTime.ToUniversalTime();
        double Since() => (TimeProvider.System.GetUtcNow().UtcDateTime - started).TotalSeconds;

        var versionBefore = await api.VersionAsync(ct);
        var running = Wiring.RunAsync(new() { MetricsAddress = "127.0.0.1:0" }, config, TimeProvider.System, NullLoggerFactory.Instance, null, parts =>
        {
            parts.Budgets.Decided += (budget, _) =>
            {
                Interlocked.Increment(ref decisions);
                decided.TryAdd(budget.Metadata.Uid, true);
                first.TrySetResult();
            };
            leads.SetResult(parts);
        }, stop.Token);
        await await Task.WhenAny(first.Task, running);
        ChildProcess.Tell("firstDecision", Since());
        ChildProcess.Tell("firstDecisionCpu", OwnProcess.Cpu.TotalSeconds);
        var parts = await leads.Task;
        var budgets = parts.Stores.Budgets.Store.List();
        while (decided.Count < budgets.Count) await Task.Delay(20, ct);
        ChildProcess.Tell("allDecided", Since());
        ChildProcess.Tell("budgets", budgets.Count);
        ChildProcess.Tell("pods", parts.Stores.Pods.Store.Count);

        // The ledger's objects are made once, at the start; the table is about the time after that.
        var settling = Stopwatch.StartNew();
        var calm = 0;
        for (long last = await api.VersionAsync(ct), now; calm < 3 && settling.Elapsed < SettleLimit; last = now)
        {
            await Task.Delay(2000, ct);
            now = await api.VersionAsync(ct);
            calm = now - last <= 25 ? calm + 1 : 0;
        }
        ChildProcess.Tell("settled", Since());
        ChildProcess.Tell("firstWrites", await api.VersionAsync(ct) - versionBefore);

        var version = await api.VersionAsync(ct);
        var (cpu, clock, decisionsBefore) = (OwnProcess.Cpu, Stopwatch.StartNew(), decisions);
        await Task.Delay(TimeSpan.FromSeconds(idleSeconds), ct);
        ChildProcess.Tell("cpuShare", (OwnProcess.Cpu - cpu) / clock.Elapsed);
        ChildProcess.Tell("decisionsPerSecond", (decisions - decisionsBefore) / clock.Elapsed.TotalSeconds);
        ChildProcess.Tell("writesPerSecond", (await api.VersionAsync(ct) - version) / clock.Elapsed.TotalSeconds);
        ChildProcess.Tell("resident", OwnProcess.Status("VmRSS"));
        ChildProcess.Tell("anonymous", OwnProcess.Status("RssAnon"));
        ChildProcess.Tell("peak", OwnProcess.Status("VmHWM"));
        ChildProcess.Tell("heap", OwnProcess.Heap());
        ChildProcess.Tell("pass", Pass(parts));

        await stop.CancelAsync();
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Console.WriteLine("end");
        return 0;
    }

    /// <summary>Every budget read, observed and decided once, on one thread: the least of several.</summary>
    private static double Pass(OperatorParts parts)
    {
        var observer = new BudgetObserver(parts.Stores, parts.Ledger, parts.Prices, parts.Nodes, parts.Progress, _ => null, parts.Control, parts.Brake, TimeProvider.System);
        var least = double.MaxValue;
        for (var pass = 0; pass < Passes; pass++)
        {
            var clock = Stopwatch.StartNew();
            foreach (var budget in parts.Stores.Budgets.Store.List())
            {
                if (GpuBudgetReader.Read(budget, out var terms, out var selector, out var exempt).Count > 0) throw new InvalidOperationException("a budget of the bench cannot be read");
                var decision = BudgetDecider.Decide(observer.Observe(new(budget, terms!, selector, exempt)));
                if (decision.Actions.Count > 0) throw new InvalidOperationException("nothing was to be stopped");
            }
            least = Math.Min(least, clock.Elapsed.TotalSeconds);
        }
        return least;
    }
}
