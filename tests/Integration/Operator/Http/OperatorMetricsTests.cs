using System.Diagnostics;
using System.Text;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Operator.Budgets;
using Bursar.Operator.Http;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Operator.Http;

public sealed class OperatorMetricsTests : IDisposable
{
    private readonly VirtualTimeProvider _time = new(Given.Now);
    private readonly OperatorMetrics _metrics;
    private readonly DecisionStore _decisions = new();

    public OperatorMetricsTests()
    {
        _metrics = new OperatorMetrics(_time);
        Show(_metrics);
    }

    public void Dispose() => _metrics.Dispose();

    private void Show(OperatorMetrics metrics)
    {
        metrics.WatchBudgets(() => _decisions.All.Select(one => (one.Budget.Namespace ?? "", one.Budget.Name, one.Decision)));
        _decisions.Recorded += (_, before, decision) => metrics.Decided(before, decision);
    }

    private void Record(string budget, BudgetDecision decision) => _decisions.Record(Budget(budget), decision);

    private static V1Alpha1GpuBudget Budget(string name) =>
        new()
        {
            Metadata = new()
            {
                Namespace = "team",
                Name = name,
                Uid = "uid-" + name,
            },
        };

    [Fact]
    public void Budgets_figures_are_those_of_its_decision()
    {
        var decision = BudgetDecider.Decide(Given.Budget(100, Given.Job("a", 10, spent: 20)));

        Record("nlp", decision);

        Value("bursar_budget_limit", ("namespace", "team"), ("budget", "nlp"), ("currency", "USD")).Should().Be(100);
        Value("bursar_budget_spent", ("budget", "nlp")).Should().Be(20);
        Value("bursar_budget_projected", ("budget", "nlp"))
            .Should()
            .BeApproximately(decision.Projected.ToDouble(), 1e-9)
            .And.BeGreaterThan(50);
        Value("bursar_budget_forecast", ("budget", "nlp"), ("bound", "likely"))
            .Should()
            .BeApproximately(decision.Forecast!.Likely.ToDouble(), 1e-9);
        Value("bursar_budget_remaining", ("budget", "nlp")).Should().Be(80);
        Value("bursar_budget_burn_rate", ("budget", "nlp")).Should().Be(3.06);
        Value("bursar_budget_spent_ratio", ("budget", "nlp")).Should().Be(0.2);
        Value("bursar_budget_condition", ("condition", "WithinBudget")).Should().Be(1);
        Value("bursar_workload_cost", ("workload", "a"), ("kind", "Job")).Should().Be(20);
        Value("bursar_workload_cost_to_finish", ("workload", "a")).Should().BeApproximately(30.6, 1e-6);
        Samples().Should().NotContain(s => s.Name == "bursar_workload_cost_per_step", "its steps are unknown");
    }

    [Fact]
    public void Workloads_unit_costs_are_those_of_the_decision()
    {
        var spent = new HourlyCost(3_060_000_000).For(TimeSpan.FromHours(2));
        var done = new WholeDayUsage
        {
            Spent = spent,
            Serving = (spent, 3_060_000),
            ReservedGpuMs = 7_200_000,
            Usage = UsageSums.None with
            {
                EnergyMj = 3_060_000,
                Tokens = new Dictionary<string, TokenSums> { ["m"] = new(1000, 0, 530, 36) },
            },
        };
        var work = Given.Job("a", 10) with { UnitCosts = UnitCosts.From(done, new HourlyCost(3_060_000_000), 0.085) };

        Record("nlp", BudgetDecider.Decide(Given.Budget(100, work)));

        Value("bursar_workload_cost_per_step", ("workload", "a")).Should().BeApproximately(7.225e-5, 1e-12);
        Value("bursar_workload_cost_per_thousand_tokens", ("workload", "a")).Should().BeApproximately(4, 1e-9);
        Value("bursar_workload_cost_per_request", ("workload", "a")).Should().BeApproximately(0.17, 1e-9);
    }

    [Fact]
    public void Forgotten_budget_shows_nothing()
    {
        Record("nlp", BudgetDecider.Decide(Given.Budget(100, Given.Job("a", 10))));

        _decisions.Forget(Budget("nlp"));

        Samples().Should().NotContain(s => s.Label("budget") == "nlp");
    }

    [Fact]
    public void Action_that_is_decided_again_until_it_is_done_counts_once()
    {
        var over = BudgetDecider.Decide(Given.Budget(10, Given.Job("a", 10)));
        over.SuspendedNames().Should().Equal("a");

        Record("nlp", over);
        Record("nlp", over);
        Record("other", over);

        Value("bursar_decisions_total", ("action", "suspend"), ("reason", over.Actions[0].Reason)).Should().Be(2);
    }

    [Fact]
    public void Ledger_totals_are_read_at_each_scrape_and_counters_never_fall()
    {
        var ledger = Ledger();
        _metrics.Attach(ledger, _ => [], () => "USD");
        _time.Advance(TimeSpan.FromHours(1));

        Value("bursar_gpu_seconds_total", ("namespace", "team"), ("basis", "reserved")).Should().Be(2 * 3600);
        Value("bursar_gpu_seconds_total", ("namespace", "team"), ("basis", "busy")).Should().Be(45);
        Value("bursar_gpu_seconds_total", ("namespace", "team"), ("basis", "idle")).Should().Be(15);
        Value("bursar_gpu_seconds_total", ("namespace", ""), ("basis", "unattributed")).Should().Be(60);
        Value("bursar_energy_joules_total", ("namespace", "team")).Should().Be(6);
        Value("bursar_tokens_total", ("model", "m"), ("direction", "generated")).Should().Be(70);
        Value("bursar_cost_per_thousand_tokens", ("namespace", "team"), ("model", "m"))
            .Should()
            .BeApproximately(6.12 * 1000 / 220, 1e-9, "two V100 for an hour, 220 tokens");
        Value("bursar_cost_per_gpu_hour", ("namespace", "team")).Should().BeApproximately(3.06, 1e-9);
        Value("bursar_energy_joules_per_token", ("namespace", "team"), ("model", "m")).Should().BeApproximately(6.0 / 220, 1e-9);
        Value("bursar_unbudgeted_cost", ("namespace", "team"), ("currency", "USD")).Should().BeApproximately(2 * 3.06, 1e-9);

        // The node turns out to have been away for half of it.
        ledger.MarkNodeLost("n1", Given.Now.AddMinutes(30));

        Value("bursar_gpu_seconds_total", ("namespace", "team"), ("basis", "reserved")).Should().Be(2 * 3600);
        Value("bursar_unbudgeted_cost", ("namespace", "team")).Should().BeApproximately(3.06, 1e-9);
    }

    [Fact]
    public void Former_leader_exports_no_budget_and_no_ledger_metrics()
    {
        _metrics.Leads = true;
        _metrics.Attach(Ledger(), _ => [], () => "USD");
        Record("nlp", BudgetDecider.Decide(Given.Budget(100)));
        _metrics.AgentAnswered("n1");

        _metrics.Detach();

        Value("bursar_leader").Should().Be(0);
        Samples()
            .Should()
            .NotContain(s =>
                s.Name == "bursar_budget_limit" || s.Name == "bursar_gpu_seconds_total" || s.Name == "bursar_agent_lag_seconds"
            );
    }

    [Fact]
    public void Two_operators_of_one_process_do_not_mix_their_figures()
    {
        using var other = new OperatorMetrics(_time);

        other.Reconciled("budgets", TimeSpan.FromMilliseconds(3), failed: false);
        _metrics.Reconciled("budgets", TimeSpan.FromMilliseconds(30), failed: true);

        Value("bursar_reconcile_duration_seconds_count", ("controller", "budgets")).Should().Be(1);
        Value("bursar_reconcile_duration_seconds_bucket", ("controller", "budgets"), ("le", "0.025")).Should().Be(0);
        Value("bursar_reconcile_duration_seconds_bucket", ("controller", "budgets"), ("le", "0.05")).Should().Be(1);
        Value("bursar_reconcile_failures_total", ("controller", "budgets")).Should().Be(1);
    }

    [Fact]
    public void Agents_lag_grows_until_it_answers()
    {
        _metrics.AgentAnswered("n1");
        _time.Advance(TimeSpan.FromSeconds(42));
        Value("bursar_agent_lag_seconds", ("node", "n1")).Should().Be(42);

        _metrics.AgentAnswered("n1");
        Value("bursar_agent_lag_seconds", ("node", "n1")).Should().Be(0);

        _metrics.AgentGone("n1");
        Samples().Should().NotContain(s => s.Name == "bursar_agent_lag_seconds");
    }

    [SkippableFact]
    public async Task Promtool_reports_no_problem()
    {
        var tool = Environment.GetEnvironmentVariable("BURSAR_PROMTOOL");
        Skip.If(string.IsNullOrEmpty(tool) || !File.Exists(tool), "BURSAR_PROMTOOL names no promtool");
        using var full = new OperatorMetrics(_time, new Uri("http://127.0.0.1:1"));
        full.Attach(Ledger(), _ => [], () => "USD");
        Show(full);
        Record("nlp", BudgetDecider.Decide(Given.Budget(10, Given.Job("a", 10), Given.Serving("s"))));
        full.Reconciled("budgets", TimeSpan.FromSeconds(1), failed: true);
        full.AgentAnswered("n1");
        full.AgentFailed("n1", "unreachable");
        full.AgentGap("n1");
        using var http = new HttpClient { BaseAddress = new Uri("http://127.0.0.1:1") };
        await http.Awaiting(h => h.GetAsync("/")).Should().ThrowAsync<HttpRequestException>();
        await http.Awaiting(h => h.PostAsync("/", null)).Should().ThrowAsync<HttpRequestException>();

        using var process = Process.Start(
            new ProcessStartInfo(tool!, "check metrics")
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        var page = full.Scrape();
        await process.StandardInput.BaseStream.WriteAsync(page);
        process.StandardInput.Close();
        var said = await process.StandardOutput.ReadToEndAsync() + await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        said.Should().BeEmpty();
        process.ExitCode.Should().Be(0);
        Encoding
            .UTF8.GetString(page)
            .Should()
            .Contain("bursar_api_writes_total{method=\"POST\",code=\"none\"} 1")
            .And.Contain("bursar_build_info{component=\"operator\"");
    }

    private static GpuLedger Ledger()
    {
        var ledger = new GpuLedger();
        ledger.Install(Given.Now);
        ledger.Reprice("V100", GpuHourPrice.FromDecimal(3.06m), Given.Now);
        ledger.ObserveNode("n1", "V100", 4, Given.Now);
        ledger.Observe(
            new()
            {
                Uid = "p1",
                Pod = "job-a-x",
                Workload = new WorkloadKey("team", "Job", "a", "uid-a"),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = "n1",
                Gpus = 2,
                Product = "V100",
                ScheduledAt = Given.Now,
                ObservedAt = Given.Now,
            }
        );
        ledger.Record(
            new UsageReport
            {
                Node = "n1",
                Epoch = "e",
                First = 1,
                Next = 5,
                Now = Given.Now.AddMinutes(1),
                Intervals =
                [
                    new()
                    {
                        Seq = 1,
                        PodUid = "p1",
                        Namespace = "team",
                        Pod = "job-a-x",
                        Device = "d",
                        From = Given.Now,
                        To = Given.Now.AddMinutes(1),
                        BusyMs = 45_000,
                        EnergyMj = 6000,
                    },
                    new()
                    {
                        Seq = 2,
                        Device = "e",
                        From = Given.Now,
                        To = Given.Now.AddMinutes(1),
                        BusyMs = 1,
                        Reason = "unknown-process",
                    },
                ],
                Tokens =
                [
                    new()
                    {
                        Seq = 3,
                        PodUid = "p1",
                        Model = "m",
                        Prompt = 100,
                        Generated = 20,
                        At = Given.Now,
                    },
                    new()
                    {
                        Seq = 4,
                        PodUid = "p1",
                        Model = "m",
                        Prompt = 150,
                        Generated = 70,
                        At = Given.Now,
                    },
                ],
            },
            null
        );
        return ledger;
    }

    /// <summary>The page, read strictly: a line that is no sample fails it.</summary>
    private List<PrometheusSample> Samples()
    {
        var page = _metrics.Scrape();
        PrometheusText.ReadStrict(page, (in PrometheusLine _) => { }).Should().BePositive();
        return PrometheusText.Parse(page);
    }

    private double Value(string name, params (string Name, string Value)[] labels) =>
        Samples().Should().ContainSingle(s => s.Name == name && labels.All(l => s.Label(l.Name) == l.Value), name).Subject.Value;
}

internal static class ScrapedMetrics
{
    /// <summary>The page of <c>/metrics</c>.</summary>
    public static byte[] Scrape(this OperatorMetrics metrics)
    {
        using var page = new MemoryStream();
        metrics.WriteAsync(page, CancellationToken.None).GetAwaiter().GetResult();
        return page.ToArray();
    }
}
