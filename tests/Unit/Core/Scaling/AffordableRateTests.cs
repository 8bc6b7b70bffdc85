using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Decisions;
using FsCheck;
using FsCheck.Fluent;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Scaling;

/// <summary>A budget whose scalers always use their whole share, with jobs that come and go and prices that change.</summary>
public sealed class AffordableRateTests
{
    private static readonly DateTimeOffset Midnight = new(2026, 11, 10, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Budget_of_a_day_lasts_to_its_end_and_is_spent_by_then() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), PlayDay).QuickCheckThrowOnFailure();

    [Fact]
    public void Replicas_that_stop_in_the_last_pass_leave_what_their_stop_could_cost() => PlayDay(234040448);

    private static void PlayDay(int seed)
    {
        var world = new World(seed, new(WindowPeriod.Day), jobs: true, spot: true);
        while (world.Now < Midnight.AddDays(1))
        {
            world.Pass();
            world.Spent.Should().BeLessThanOrEqualTo(world.Limit, "at {0}", world.Now);
        }
        (world.Limit - world.Spent)
            .Should()
            .BeLessThan(
                world.MostExpensiveReplica.For(TimeSpan.FromHours(1)) + world.StopCost,
                "it ends within an hour of one replica, and what stopping all that runs would have cost"
            );
    }

    [Fact]
    public void Replicas_of_a_steady_world_move_only_to_scalers_without_any() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                var world = new World(seed, new(WindowPeriod.Day), jobs: false, spot: false);
                world.Pass();
                var (before, moves, moved) = ((world.Replicas, world.PerHour), 0, false);
                while (world.Now < Midnight.AddDays(1))
                {
                    world.Pass();
                    // In the last hour, a single replica is a large part of what is left.
                    // After a move, the stopping replicas still cost.
                    if (!moved && world.Now < Midnight.AddHours(23))
                        (world.PerHour.NanoPerHour - before.PerHour.NanoPerHour)
                            .Should()
                            .BeInRange(-1000, world.MostExpensiveReplica.NanoPerHour / 50, "at {0}", world.Now);
                    moved = world.Replicas.Zip(before.Replicas).Any(pair => pair.First < pair.Second);
                    if (moved)
                    {
                        moves++;
                        world
                            .Replicas.Zip(before.Replicas, world.Minimums)
                            .Should()
                            .Contain(
                                one => one.First > one.Second && one.Second == one.Third,
                                "replicas move only to a scaler that has none above its minimum"
                            );
                    }
                    before = (world.Replicas, world.PerHour);
                }
                world.Spent.Should().BeLessThanOrEqualTo(world.Limit);
                moves.Should().BeLessThan(world.Minimums.Length, "at most once for each scaler");
                world
                    .Spent.Should()
                    .BeGreaterThanOrEqualTo(
                        world.Limit - world.StopCost - world.MostExpensiveReplica.For(TimeSpan.FromMinutes(5)),
                        "all but the stop cost and the remainder of one replica is spent"
                    );
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void New_job_lowers_the_rate_by_its_cost_spread_over_the_window()
    {
        var serving = Scaled("chat", replicas: 4, minimum: 1);
        var quiet = Rate(Budget(Terms(10_000), serving));
        var busy = Rate(Budget(Terms(10_000), serving, Job("train", 10)));
        var hours = (decimal)quiet.Until.TotalHours;
        ((quiet.PerHour.NanoPerHour - busy.PerHour.NanoPerHour) / 1e9m).Should().BeApproximately(30.6m / hours, 0.001m);
    }

    [Fact]
    public void Affordable_rate_falls_smoothly_as_the_budget_is_spent()
    {
        // The rate falls with spending, without jumps, down to zero.
        var last = long.MaxValue;
        for (var spent = 0m; spent < 4001m; spent += 5m)
        {
            var budget = Budget(Terms(4000), Scaled("chat", replicas: 1, minimum: 1)) with { Spent = Money(spent) };
            var rate = Rate(budget).PerHour.NanoPerHour;
            rate.Should().BeLessThanOrEqualTo(last);
            if (last != long.MaxValue && rate > 0)
                (last - rate).Should().BeLessThanOrEqualTo((long)(5m / (decimal)WorkloadCost.Horizon(budget).TotalHours * 1e9m) + 2);
            last = rate;
        }
        last.Should().Be(0);
    }

    [Fact]
    public void Affordable_rate_includes_the_stop_cost_of_another_replica()
    {
        // The limit rises from too little for six replicas above the minimum to enough for their stop. Once they fit, they keep fitting.
        var budget = Budget(Terms(1), Scaled("chat", replicas: 6, minimum: 1));
        var (seen, horizon) = (new HashSet<int>(), WorkloadCost.Horizon(budget));
        for (var seconds = -5; seconds < 60; seconds++)
        {
            var terms = budget.Terms with { Limit = V100.For(horizon) + (V100 * 6).For(horizon + TimeSpan.FromSeconds(seconds)) };
            int Fits(int replicas) =>
                (int)(Rate(Budget(terms, Scaled("chat", replicas, minimum: 1))).PerHour.NanoPerHour / V100.NanoPerHour) + 1;
            var more = Fits(6);
            seen.Add(more);
            Fits(more).Should().BeGreaterThanOrEqualTo(more);
        }
        seen.Should().BeEquivalentTo([6, 7]);
    }

    [Fact]
    public void Rolling_window_spends_again_what_leaves_it() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                var world = new World(seed, new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(6)), jobs: false, spot: false)
                {
                    Pace = TimeSpan.FromMinutes(5),
                };
                while (world.Now < Midnight.AddHours(30))
                {
                    world.Pass();
                    world.Spent.Should().BeLessThanOrEqualTo(world.Limit, "at {0}", world.Now);
                }
                (world.Limit - world.Spent)
                    .Should()
                    .BeLessThan(
                        world.MostExpensiveReplica.For(TimeSpan.FromHours(6) + world.Pace!.Value) + world.StopCost,
                        "another replica for a whole window would not fit"
                    );
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Rolling_window_is_not_exceeded_with_changing_jobs_and_prices() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                var world = new World(seed, new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(3)), jobs: true, spot: true)
                {
                    Pace = TimeSpan.FromMinutes(1),
                };
                while (world.Now < Midnight.AddHours(13))
                {
                    world.Pass();
                    world.Spent.Should().BeLessThanOrEqualTo(world.Limit, "at {0}", world.Now);
                }
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(30));

    [Fact]
    public void Affordable_rate_is_zero_at_the_limit_and_outside_the_window()
    {
        Rate(Budget(Terms(10), Scaled("chat", 1, 1)) with { Spent = Money(10) }).Should().Be(AffordableRate.None);
        var budget = Budget(Terms(10), Scaled("chat", 1, 1));
        Rate(budget with { Now = budget.Window.End }).Should().Be(AffordableRate.None);
        Rate(budget with { Now = budget.Window.Start.AddSeconds(-1) }).Should().Be(AffordableRate.None);
    }

    [Fact]
    public void Job_of_unknown_duration_lowers_the_rate_by_its_own_rate()
    {
        var budget = Budget(Terms(10_000), Scaled("chat", 1, 1));
        var with = Rate(Budget(Terms(10_000), Scaled("chat", 1, 1), Unknown("train")));
        (Rate(budget).PerHour.NanoPerHour - with.PerHour.NanoPerHour).Should().BeCloseTo(V100.NanoPerHour, 1_000_000);
    }

    private static AffordableRate Rate(BudgetSnapshot budget)
    {
        var work = CostedWorkload.From(budget);
        return AffordableRate.From(budget, BudgetTotals.From(budget, budget.Terms.Limit, work), work);
    }

    private static WorkloadSnapshot Scaled(string name, int replicas, int minimum, HourlyCost? price = null) =>
        Serving(name) with
        {
            State = WorkloadState.Running,
            Rate = (price ?? V100) * replicas,
            BurnRate = (price ?? V100) * replicas,
            MinReplicasRate = (price ?? V100) * minimum,
        };

    /// <summary>A world in which time passes from pass to pass. Removed replicas cost until their longest possible stop is over.</summary>
    private sealed class World
    {
        private static readonly TimeSpan Stop = TimeSpan.FromSeconds(40);
        private readonly Random _random;
        private readonly WindowSpec _window;
        private readonly (bool Jobs, bool Spot) _moves;
        private readonly List<SpendSegment> _segments = [];
        private readonly List<(string Name, HourlyCost Rate, DateTimeOffset End)> _jobs = [];
        private readonly (string Name, int Minimum, int Weight)[] _scalers;
        private readonly int[] _replicas;
        private readonly HourlyCost[] _prices;
        private int _born;

        public World(int seed, WindowSpec window, bool jobs, bool spot)
        {
            (_random, _window, _moves, Now) = (new(seed), window, (jobs, spot), Midnight);
            // Minimum replicas whose price rises may cost more than is left; they are kept anyway.
            _scalers =
            [
                .. Enumerable.Range(0, _random.Next(1, 4)).Select(i => ($"chat-{i}", spot ? 0 : _random.Next(0, 2), _random.Next(1, 4))),
            ];
            _replicas = [.. _scalers.Select(scaler => scaler.Minimum)];
            _prices = [.. _scalers.Select(_ => new HourlyCost(_random.NextInt64(500_000_000, 4_000_000_000)))];
            Limit = Money(window.Period == WindowPeriod.Rolling ? _random.Next(120, 400) : _random.Next(400, 2000));
        }

        public DateTimeOffset Now { get; private set; }

        public Amount Limit { get; }

        public TimeSpan? Pace { get; init; }

        public int[] Replicas => [.. _replicas];

        public int[] Minimums => [.. _scalers.Select(scaler => scaler.Minimum)];

        public HourlyCost PerHour { get; private set; }

        public HourlyCost MostExpensiveReplica { get; private set; }

        public Amount StopCost { get; private set; }

        public Amount Spent { get; private set; }

        public void Pass()
        {
            // A price that falls in the last minutes leaves budget that cannot be spent any more.
            if (
                _moves.Spot
                && _random.Next(60) == 0
                && (_window.Period == WindowPeriod.Rolling || Now < Midnight.AddDays(1).AddMinutes(-10))
            )
            {
                var i = _random.Next(_prices.Length);
                _prices[i] = new(_prices[i].NanoPerHour * _random.Next(75, 131) / 100);
            }
            var budget = Budget();
            if (_moves.Jobs && _random.Next(40) == 0)
            {
                // As in a budget, a job is admitted if it fits beside the minimum replicas.
                var (rate, time) = (new HourlyCost(_random.Next(1, 8) * 1_000_000_000L), TimeSpan.FromMinutes(_random.Next(10, 300)));
                var cost = rate.For(time);
                if ((Rate(budget) is var room ? room.Free : default) > new Amount(cost.Units * 3))
                    _jobs.Add(($"job-{_born++}", rate, Now + time));
                budget = Budget();
            }
            PerHour = Rate(budget).PerHour;
            var granted = FairShareAllocator.Divide(
                PerHour,
                [
                    .. _scalers.Select(
                        (scaler, i) =>
                            new ShareRequest
                            {
                                Key = scaler.Name,
                                Weight = scaler.Weight,
                                MinimumReplicas = scaler.Minimum,
                                Wanted = 100_000,
                                Has = _replicas[i],
                                Max = 100_000,
                                Prices = new(_replicas[i], _prices[i] * _replicas[i], _prices[i]),
                            }
                    ),
                ]
            );
            var pace = Pace ?? (Now < Midnight.AddHours(23) ? TimeSpan.FromMinutes(1) : TimeSpan.FromSeconds(10));
            var next = Now + pace;
            MostExpensiveReplica = new(_prices.Max(price => price.NanoPerHour));
            var before = CostOfStop();
            for (var i = 0; i < _scalers.Length; i++)
            {
                if (granted[i].Replicas < _replicas[i])
                    Spend(_prices[i] * (_replicas[i] - granted[i].Replicas), Now, Now + Stop);
                _replicas[i] = granted[i].Replicas;
                Spend(_prices[i] * _replicas[i], Now, next);
            }
            // The reserve for stopping includes the replicas that this pass removes.
            StopCost = Amount.Max(before, CostOfStop());
            foreach (var job in _jobs)
                Spend(job.Rate, Now, job.End < next ? job.End : next);
            _jobs.RemoveAll(job => job.End <= next);
            Now = next;
            Spent = Sum();
        }

        private Amount CostOfStop() =>
            new HourlyCost(
                _scalers.Select((scaler, i) => (_prices[i] * (_replicas[i] - scaler.Minimum)).NanoPerHour).Sum()
                    + _jobs.Sum(job => job.Rate.NanoPerHour)
            ).For(Stop);

        private void Spend(HourlyCost rate, DateTimeOffset from, DateTimeOffset to)
        {
            if (rate.NanoPerHour == 0 || to <= from)
                return;
            var joined = _segments.FindIndex(one => one.To == from && one.RatePerHour == rate);
            if (joined >= 0)
                _segments[joined] = _segments[joined] with { To = to };
            else
                _segments.Add(new(from, to, rate));
        }

        private Amount Sum() =>
            _window.Period == WindowPeriod.Rolling
                ? RollingSum.At(_segments, _window.Length!.Value, Now)
                : RollingSum.At(_segments, TimeSpan.FromDays(1), Midnight.AddDays(1));

        private BudgetSnapshot Budget()
        {
            // Stopping replicas count until their pods have ended, because the ledger has them until then.
            var work = _scalers
                .Select((scaler, i) => Scaled(scaler.Name, _replicas[i], scaler.Minimum, _prices[i]))
                .Concat(
                    _jobs.Select(job => Job(job.Name, 0) with { Rate = job.Rate, BurnRate = job.Rate, Estimate = Settled(job.End - Now) })
                );
            if (_window.Period == WindowPeriod.Rolling)
                _segments.RemoveAll(one => one.To <= Now - _window.Length!.Value);
            return Bursar.Tests.TestKit.Given.Budget(
                new BudgetTerms
                {
                    Limit = Limit,
                    Window = _window,
                    Settle = TimeSpan.Zero,
                },
                [.. work]
            ) with
            {
                Now = Now,
                Window = Window.At(_window, Now),
                Spent = Sum(),
                RollingSpend = _window.Period == WindowPeriod.Rolling ? [.. _segments] : [],
            };
        }
    }
}
