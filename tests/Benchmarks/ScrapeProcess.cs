using System.Globalization;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.Text;
using Bursar.Operator.Http;

namespace Bursar.Tests.Benchmarks;

/// <summary>Scrapes of an operator with 50,000 series, beside reading the same page.</summary>
internal static class ScrapeProcess
{
    private const int Budgets = 200,
        WorkloadsEach = 50,
        Rounds = 9;

    public static int Run()
    {
        using var metrics = new OperatorMetrics(TimeProvider.System);
        var decisions = Enumerable.Range(0, Budgets).Select(i => ($"team-{i}", "gpu-budget", Decision(i))).ToArray();
        metrics.WatchBudgets(() => decisions);
        using var page = new MemoryStream();
        var (scrape, read, allocated, samples) = (double.MaxValue, double.MaxValue, long.MaxValue, 0);
        for (var round = 0; round < Rounds; round++)
        {
            page.SetLength(0);
            var (cpu, bytes) = (OwnProcess.Cpu, GC.GetTotalAllocatedBytes(precise: true));
            metrics.WriteAsync(page, CancellationToken.None).GetAwaiter().GetResult();
            scrape = Math.Min(scrape, (OwnProcess.Cpu - cpu).TotalSeconds);
            allocated = Math.Min(allocated, GC.GetTotalAllocatedBytes(precise: true) - bytes);
            cpu = OwnProcess.Cpu;
            samples = PrometheusText.ReadStrict(page.ToArray(), (in PrometheusLine _) => { });
            read = Math.Min(read, (OwnProcess.Cpu - cpu).TotalSeconds);
        }
        ChildProcess.Tell("series", samples);
        ChildProcess.Tell("bytes", page.Length);
        ChildProcess.Tell("scrape", scrape);
        ChildProcess.Tell("read", read);
        ChildProcess.Tell("allocated", allocated);
        Console.WriteLine("end");
        return 0;
    }

    private static BudgetDecision Decision(int number)
    {
        var now = new DateTimeOffset(2026, 11, 10, 12, 0, 0, TimeSpan.Zero);
        var rate = new HourlyCost(3_060_000_000);
        var spent = rate.For(TimeSpan.FromHours(2));
        var done = new WholeDayUsage
        {
            Spent = spent,
            Serving = (spent, 3_060_000),
            ReservedGpuMs = 7_200_000,
            Usage = UsageSums.None with { Tokens = new Dictionary<string, TokenSums> { ["m"] = new(1000, 0, 530, 36) } },
        };
        var terms = new BudgetTerms { Limit = Amount.FromDecimal(100_000), Window = new(WindowPeriod.Month) };
        return BudgetDecider.Decide(
            new()
            {
                Namespace = $"team-{number}",
                Name = "gpu-budget",
                Uid = $"budget-{number}",
                Now = now,
                Terms = terms,
                Window = Window.At(terms.Window, now),
                Spent = rate.For(TimeSpan.FromHours(2 * WorkloadsEach)),
                Memory = new()
                {
                    WindowKey = Window.At(terms.Window, now).Key,
                    FirstSeen = now.AddHours(-1),
                    LastLimit = terms.Limit,
                },
                Workloads =
                [
                    .. Enumerable
                        .Range(0, WorkloadsEach)
                        .Select(i => new WorkloadSnapshot
                        {
                            Key = new(
                                $"team-{number}",
                                "Job",
                                string.Create(CultureInfo.InvariantCulture, $"llm-finetune-{number}-{i}"),
                                $"uid-{number}-{i}"
                            ),
                            Class = WorkloadClass.Training,
                            State = WorkloadState.Running,
                            CreatedAt = now.AddHours(-2),
                            Gpus = 1,
                            Rate = rate,
                            BurnRate = rate,
                            Spent = spent,
                            Estimate = new(
                                TimeSpan.FromHours(i + 1),
                                TimeSpan.FromHours(i + 1),
                                TimeSpan.FromHours(i + 1),
                                EstimateSource.Progress,
                                true,
                                "0.09 s per step over 100 steps"
                            ),
                            UnitCosts = UnitCosts.From(done, rate, 0.085),
                        }),
                ],
            }
        );
    }
}
