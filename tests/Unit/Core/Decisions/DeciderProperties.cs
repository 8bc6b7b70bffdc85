using System.Text.Json;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Properties of decisions for any budget and any workloads. Each case comes from one seed, which a failure names.</summary>
public sealed class DeciderProperties
{
    [Fact]
    public void Decision_does_not_depend_on_the_order_of_workloads() =>
        ForAllSeeds(seed =>
        {
            var random = new Random(seed);
            var budget = AnyBudget(random);
            var shuffled = budget with { Workloads = [.. budget.Workloads.OrderBy(_ => random.Next())] };
            Json(BudgetDecider.Decide(shuffled)).Should().Be(Json(BudgetDecider.Decide(budget)));
        });

    [Fact]
    public void Stored_snapshot_replays_to_the_same_decision() =>
        ForAllSeeds(seed =>
        {
            var budget = AnyBudget(new Random(seed));
            var stored = JsonSerializer.Deserialize(
                JsonSerializer.Serialize(budget, DecisionJson.Default.BudgetSnapshot),
                DecisionJson.Default.BudgetSnapshot
            )!;
            Json(BudgetDecider.Decide(stored)).Should().Be(Json(BudgetDecider.Decide(budget)));
        });

    [Fact]
    public void Observing_budget_takes_no_action() =>
        ForAllSeeds(seed =>
        {
            var budget = AnyBudget(new Random(seed));
            var decision = BudgetDecider.Decide(budget with { Terms = budget.Terms with { Mode = EnforcementMode.Observe } });
            decision.Actions.Should().BeEmpty();
            decision.StaleRecords.Should().BeEmpty();
        });

    [Fact]
    public void Every_victim_of_a_forecast_is_needed() =>
        ForAllSeeds(seed =>
        {
            var budget = AnyBudget(new Random(seed));
            var decision = BudgetDecider.Decide(budget);
            var victims = decision
                .Actions.Where(a => a.ByForecast && a.Reason is Reasons.ProjectedOverBudget or Reasons.DoesNotFit)
                .Select(a => a.Workload.Uid)
                .ToHashSet();
            if (victims.Count == 0)
                return;

            var work = budget
                .Workloads.Select(w => new CostedWorkload(
                    w,
                    WorkloadCost.From(w, budget),
                    WorkloadCost.IsSuspendable(w, budget),
                    w.Key.DisplayName(budget.Namespace)
                ))
                .ToArray();
            var balance = BudgetTotals.From(budget, BudgetDecider.LimitOf(budget), work);
            if (balance.MinimumReplicasExceedLimit)
                return;
            var claims = work.Where(w => w.IsActiveJob && !BudgetTotals.ReleasesReservation(w.Snapshot, budget)).ToArray();
            Amount Needed(Func<CostedWorkload, bool> suspended) =>
                claims.Aggregate(
                    balance.ReleasedClaims.Aggregate(balance.Spent + balance.MinimumReplicasCost, (sum, claim) => sum + claim.Amount),
                    (sum, w) => sum + (suspended(w) ? Victims.StillSpends(w) : w.Cost.Planned)
                );
            foreach (var victim in victims)
                Needed(w => w.Snapshot.Key.Uid != victim && victims.Contains(w.Snapshot.Key.Uid))
                    .Should()
                    .BeGreaterThan(balance.Allowed, "without suspension {0} it does not fit", victim);
        });

    [Fact]
    public void Admission_and_resumption_never_exceed_the_limit() =>
        ForAllSeeds(seed =>
        {
            var budget = AnyBudget(new Random(seed));
            var decision = BudgetDecider.Decide(budget);
            var admitted = decision
                .Memory.Admitted.Where(a => !budget.Memory.Admitted.TryGetValue(a.Key, out var before) || before != a.Value)
                .ToArray();
            if (admitted.Length == 0)
                return;
            var allowed = decision.Limit + decision.Limit.Percent(budget.Terms.TolerancePercent);
            admitted.Aggregate(budget.Spent, (sum, a) => sum + a.Value.Reserved).Should().BeLessThanOrEqualTo(allowed);
        });

    [Fact]
    public void Exhausted_budget_suspends_everything_suspendable() =>
        ForAllSeeds(seed =>
        {
            var budget = AnyBudget(new Random(seed));
            budget = budget with
            {
                Spent = BudgetDecider.LimitOf(budget) + BudgetDecider.LimitOf(budget),
                Terms = budget.Terms with { Mode = EnforcementMode.Enforce },
            };
            var decision = BudgetDecider.Decide(budget);
            var left = budget
                .Workloads.Where(w => WorkloadCost.IsSuspendable(w, budget))
                .Where(w => w.State is WorkloadState.Running or WorkloadState.Pending)
                .Select(w => w.Key.Uid)
                .Except(decision.Actions.Select(a => a.Workload.Uid));
            left.Where(uid => decision.Workloads.Single(w => w.Key.Uid == uid).Reason is not (Reasons.Contested or Reasons.Exempt))
                .Should()
                .BeEmpty();
        });

    /// <summary>Random histories of one budget: a workload resumes at most once between two causes.</summary>
    [Fact]
    public void Workload_is_resumed_at_most_once_per_cause() =>
        ForAllSeeds(
            seed =>
            {
                var random = new Random(seed);
                var terms = Terms(10 + random.Next(40));
                var jobs = Enumerable.Range(0, 5).Select(i => Job($"job-{i}", random.NextDouble() * 10, minutesOld: i)).ToList();
                var memory = new BudgetMemory();
                var spent = Amount.Zero;
                var causes = 1;
                var resumes = new Dictionary<string, int>();
                for (var turn = 0; turn < 120; turn++)
                {
                    if (random.Next(25) == 0)
                    {
                        terms = terms with { Limit = terms.Limit + Money(random.Next(-5, 20)) };
                        causes++;
                    }
                    if (random.Next(40) == 0 && jobs.FindIndex(j => j.State == WorkloadState.Running) is >= 0 and var ends)
                    {
                        jobs.RemoveAt(ends);
                        causes++;
                    }
                    // Estimates jump at random.
                    for (var i = 0; i < jobs.Count; i++)
                        if (random.Next(4) == 0)
                            jobs[i] = jobs[i] with { Estimate = Settled(TimeSpan.FromHours(random.NextDouble() * 12)) };

                    var decision = BudgetDecider.Decide(
                        Budget(terms, [.. jobs]) with
                        {
                            Now = Now.AddSeconds(5 * turn),
                            Spent = spent,
                            Memory = memory,
                        }
                    );
                    memory = decision.Memory;
                    foreach (var action in decision.Actions)
                    {
                        var i = jobs.FindIndex(j => j.Key == action.Workload);
                        if (action.Kind == ActionKind.Resume)
                            resumes[action.Workload.Uid] = resumes.GetValueOrDefault(action.Workload.Uid) + 1;
                        jobs[i] =
                            action.Kind == ActionKind.Suspend
                                ? jobs[i] with
                                {
                                    State = WorkloadState.SuspendedByBudget,
                                    BurnRate = HourlyCost.Zero,
                                    Suspension = action.Suspension! with { Confirmed = true },
                                }
                                : jobs[i] with
                                {
                                    State = WorkloadState.Running,
                                    BurnRate = V100,
                                    Suspension = null,
                                };
                    }
                    spent += jobs.Aggregate(Amount.Zero, (sum, j) => sum + j.BurnRate.For(5_000));
                }
                resumes.Values.Where(count => count > causes).Should().BeEmpty();
            },
            100
        );

    private static void ForAllSeeds(Action<int> holds, int runs = 300) =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                holds(seed);
                return true;
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(runs).WithQuietOnSuccess(true));

    private static string Json(BudgetDecision decision) => JsonSerializer.Serialize(decision, DecisionJson.Default.BudgetDecision);
}
