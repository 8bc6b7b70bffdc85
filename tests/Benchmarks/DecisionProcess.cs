using System.Diagnostics;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Benchmarks;

/// <summary>One decision on a budget with ten running and two hundred suspended jobs, in a month and in a rolling window.</summary>
internal static class DecisionProcess
{
    private const int Running = 10;
    private const int Suspended = 200;

    /// <summary>Decisions before the first that counts: the JIT compiles meanwhile.</summary>
    private const int Warming = 300;
    private const int Measured = 200;

    public static int Run()
    {
        ChildProcess.Tell("running", Running);
        ChildProcess.Tell("suspended", Suspended);
        ChildProcess.Tell("month", Least(Month()));
        ChildProcess.Tell("rolling", Least(Rolling()));
        Console.WriteLine("end");
        return 0;
    }

    private static double Least(BudgetSnapshot budget)
    {
        var first = BudgetDecider.Decide(budget);
        if (first.Workloads.Count(verdict => verdict.EnoughLimit is not null) != Suspended)
            throw new InvalidOperationException("each suspended job was to be told a limit");
        budget = budget with { Memory = first.Memory };
        for (var i = 0; i < Warming; i++)
            BudgetDecider.Decide(budget);
        var least = double.MaxValue;
        for (var i = 0; i < Measured; i++)
        {
            var begun = Stopwatch.GetTimestamp();
            BudgetDecider.Decide(budget);
            least = Math.Min(least, Stopwatch.GetElapsedTime(begun).TotalSeconds);
        }
        return least;
    }

    private static BudgetSnapshot Month() => Budget(Terms(50), Jobs("2026-11"));

    private static BudgetSnapshot Rolling()
    {
        var terms = Terms(50) with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromDays(30)) };
        return Budget(terms, Jobs("rolling")) with
        {
            RollingSpend =
            [
                .. Enumerable
                    .Range(1, 200)
                    .Select(i => new SpendSegment(Now.AddHours(-3 * i - 3), Now.AddHours(-3 * i), HourlyCost.FromDecimal(0.01m))),
            ],
        };
    }

    private static WorkloadSnapshot[] Jobs(string window) =>
        [
            .. Enumerable.Range(0, Running).Select(i => Job($"running-{i}", 1)),
            .. Enumerable.Range(0, Suspended).Select(i => Job($"job-{i}", 8 + i % 20, priority: i % 3).Suspended(50, window: window)),
        ];
}
