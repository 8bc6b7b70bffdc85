using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

public sealed class FlappingTests
{
    /// <summary>
    /// Random histories of a budget in which estimates jump at random. The test records the outside changes itself instead of taking them
    /// from the decisions.
    /// </summary>
    [Theory]
    [InlineData(WindowPeriod.Hour)]
    [InlineData(WindowPeriod.Month)]
    [InlineData(WindowPeriod.Rolling)]
    public void Second_forecast_suspension_of_a_job_needs_an_outside_change(WindowPeriod period)
    {
        var (suspensions, again) = (0, 0);
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                var life = new Life(new Random(seed), period, eventful: true);
                for (var turn = 0; turn < 150; turn++)
                    life.Turn($"seed {seed}, turn {turn}");
                suspensions += life.Suspendings;
                again += life.Again;
                return true;
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(100).WithQuietOnSuccess(true).WithReplay(20261201, 1));
        suspensions.Should().BeGreaterThan(100);
        again.Should().BeGreaterThan(20, "histories without a second suspension would test nothing");
    }

    [Theory]
    [InlineData(WindowPeriod.Month)]
    [InlineData(WindowPeriod.Rolling)]
    public void Job_without_outside_changes_is_suspended_at_most_once(WindowPeriod period) =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                var life = new Life(new Random(seed), period, eventful: false);
                for (var turn = 0; turn < 150; turn++)
                    life.Turn($"seed {seed}, turn {turn}");
                life.Again.Should().Be(0, "seed {0}", seed);
                return true;
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(100).WithQuietOnSuccess(true).WithReplay(20261201, 1));

    private sealed class Life(Random random, WindowPeriod period, bool eventful)
    {
        private readonly List<WorkloadSnapshot> _jobs =
        [
            .. Enumerable.Range(0, 5).Select(i => Job($"job-{i}", random.NextDouble() * 10, priority: random.Next(2), minutesOld: i)),
        ];
        private readonly Dictionary<string, int> _suspendedAt = [];
        private BudgetTerms _terms = Terms(10 + random.Next(40), period) with
        {
            Window = new(period, Length: period == WindowPeriod.Rolling ? TimeSpan.FromHours(168) : null),
        };
        private BudgetMemory _memory = new();
        private Amount _spent = Money(random.Next(10));
        private Amount _highest;
        private DateTimeOffset _now = Now;
        private int _events;

        public int Suspendings { get; private set; }

        public int Again { get; private set; }

        public void Turn(string when)
        {
            var window = Window.At(_terms.Window, _now);
            if (eventful)
                Happen();
            for (var i = 0; i < _jobs.Count; i++)
                if (random.Next(4) == 0)
                    _jobs[i] = _jobs[i] with
                    {
                        Estimate =
                            random.Next(5) == 0
                                ? Unsettled(TimeSpan.FromHours(random.NextDouble()), TimeSpan.FromHours(random.NextDouble() * 20))
                                : Settled(TimeSpan.FromHours(random.NextDouble() * 12)),
                    };
            // Small amounts leave a rolling window all the time; only an amount as large as the headroom counts as a change.
            if (period == WindowPeriod.Rolling && random.Next(3) == 0)
                _spent = Amount.Max(Money(0.001m), _spent - Money(0.001m));
            _highest = Amount.Max(_highest, _spent);
            if (period == WindowPeriod.Rolling && _highest - _spent >= _terms.Limit.Percent(_terms.HeadroomPercent))
                (_events, _highest) = (_events + 1, _spent);

            var decision = BudgetDecider.Decide(
                Budget(_terms, [.. _jobs]) with
                {
                    Now = _now,
                    Window = window,
                    Spent = _spent,
                    Memory = _memory,
                }
            );
            _memory = decision.Memory;
            foreach (var action in decision.Actions)
            {
                var i = _jobs.FindIndex(job => job.Key == action.Workload);
                if (action.Kind == ActionKind.Resume)
                    _jobs[i] = _jobs[i] with { State = WorkloadState.Running, BurnRate = V100, Suspension = null };
                else
                {
                    _jobs[i] = _jobs[i] with
                    {
                        State = WorkloadState.SuspendedByBudget,
                        BurnRate = HourlyCost.Zero,
                        Suspension = action.Suspension! with { Confirmed = true },
                    };
                    if (!action.ByForecast)
                        continue;
                    Suspendings++;
                    if (_suspendedAt.TryGetValue(action.Workload.Uid, out var events))
                    {
                        Again++;
                        _events
                            .Should()
                            .BeGreaterThan(events, "{0}: {1} was suspended again and nothing had happened", when, action.Workload.Name);
                    }
                    _suspendedAt[action.Workload.Uid] = _events;
                }
            }
            _spent += _jobs.Aggregate(Amount.Zero, (sum, job) => sum + job.BurnRate.For(5_000));
            _now = _now.AddSeconds(5);
        }

        private void Happen()
        {
            var before = Window.At(_terms.Window, _now).Key;
            switch (random.Next(60))
            {
                case 0:
                    _terms = _terms with { Limit = _terms.Limit + Money(random.Next(1, 20)) };
                    _events++;
                    break;
                // A lower limit resumes no workload, so it does not count as a change.
                case 1:
                    _terms = _terms with { Limit = Amount.Max(Money(1), _terms.Limit - Money(random.Next(1, 10))) };
                    break;
                case 2 when _jobs.Count > 2:
                    _jobs.RemoveAt(random.Next(_jobs.Count));
                    _events++;
                    break;
                case 3:
                    _jobs.Add(Job($"new-{_now.Ticks}", random.NextDouble() * 10, minutesOld: 0));
                    break;
                case 4 when period != WindowPeriod.Rolling:
                    _now = Window.At(_terms.Window, _now).End;
                    _spent = Amount.Zero;
                    break;
                case 5 when period == WindowPeriod.Rolling:
                    _spent = Amount.Max(Amount.Zero, _spent - _terms.Limit.Percent(random.Next(1, 30)));
                    break;
                case 6 when _jobs.FindIndex(job => job.State == WorkloadState.SuspendedByBudget) is >= 0 and var undone:
                    _jobs[undone] = _jobs[undone] with
                    {
                        State = WorkloadState.Running,
                        BurnRate = V100,
                        Suspension = _jobs[undone].Suspension! with { Reverted = [.. _jobs[undone].Suspension!.Reverted, _now] },
                    };
                    _events++;
                    break;
            }
            if (period == WindowPeriod.Rolling && _spent <= Amount.Zero)
                _events++;
            if (Window.At(_terms.Window, _now).Key != before && period != WindowPeriod.Rolling)
                _events++;
        }
    }
}
