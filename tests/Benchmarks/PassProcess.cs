using System.Diagnostics;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Config;
using Bursar.Operator.Hosting;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Benchmarks;

/// <summary>
/// An operator in this process, on a filled cluster, for what cannot be seen from outside: how long it thinks, and what of its heap lives.
/// </summary>
internal static class PassProcess
{
    private const int Passes = 7;

    /// <summary>The duration of the passes. The first are slowed by the JIT and by the start of the operator.</summary>
    private static readonly TimeSpan Warming = TimeSpan.FromSeconds(10);

    public static async Task<int> RunAsync(string kubeconfig, CancellationToken ct)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var leads = new TaskCompletionSource<OperatorParts>(TaskCreationOptions.RunContinuationsAsynchronously);
        var decided = new System.Collections.Concurrent.ConcurrentDictionary<string, bool>();
        var running = OperatorHost.RunAsync(
            new() { MetricsAddress = "127.0.0.1:0" },
            KubeConfig.FromFile(kubeconfig),
            TimeProvider.System,
            NullLoggerFactory.Instance,
            parts =>
            {
                parts.Decisions.Recorded += (budget, _, _) => decided.TryAdd(budget.Metadata.Uid, true);
                leads.SetResult(parts);
            },
            stop.Token
        );
        await await Task.WhenAny(leads.Task, running);
        var parts = await leads.Task;
        var budgets = parts.Stores.Coverage.All.ToList();
        while (decided.Count < budgets.Count)
            await Task.Delay(20, ct);
        ChildProcess.Tell("budgets", budgets.Count);
        ChildProcess.Tell("pods", parts.Stores.Pods.Store.Count);
        ChildProcess.Tell("pass", Pass(parts));
        ChildProcess.Tell("heap", OwnProcess.Heap());
        await stop.CancelAsync();
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Console.WriteLine("end");
        return 0;
    }

    /// <summary>Every budget read, observed and decided once, on one thread: the least of several.</summary>
    private static double Pass(OperatorParts parts)
    {
        var least = double.MaxValue;
        var warming = Stopwatch.StartNew();
        for (var pass = 0; pass < Passes || warming.Elapsed < Warming; pass++)
        {
            var clock = Stopwatch.StartNew();
            foreach (var budget in parts.Stores.Coverage.All)
            {
                if (GpuBudgetReader.Read(budget, out var terms, out var selector, out var exempt).Count > 0)
                    throw new InvalidOperationException("a budget of the bench cannot be read");
                var decision = BudgetDecider.Decide(
                    parts.Observer.Observe(new(budget, terms!, selector, exempt, parts.Stores.Coverage.NamespacesOf(budget)))
                );
                if (decision.Actions.Count > 0)
                    throw new InvalidOperationException("nothing was to be stopped");
            }
            least = Math.Min(least, clock.Elapsed.TotalSeconds);
        }
        return least;
    }
}
