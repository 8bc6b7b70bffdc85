using Bursar.Core.Decisions;
using Bursar.Core.Scaling;
using static Bursar.Tests.Unit.Core.Scaling.GivenScaler;

namespace Bursar.Tests.Unit.Core.Scaling;

/// <summary>Demand without budgets: KEDA's rules between zero and one, with differences, and the HorizontalPodAutoscaler's above.</summary>
public sealed class ScalerDemandTests
{
    [Theory]
    [InlineData("at the activation value it is not active", 0, 50, 50, 0, Reasons.Idle)]
    [InlineData("above it, it wakes, though the target asks for less than one", 0, 51, 50, 1, Reasons.ScaledFromZero)]
    [InlineData("without one, anything wakes it", 0, 0.5, 0, 1, Reasons.ScaledFromZero)]
    [InlineData("nothing does not", 0, 0, 0, 0, Reasons.Idle)]
    [InlineData("it wakes to one, however much is asked for", 0, 900, 0, 1, Reasons.ScaledFromZero)]
    [InlineData("once awake the target counts", 1, 350, 50, 4, Reasons.ScalingUp)]
    [InlineData("inactive and over the target: it stays up for the cooldown", 2, 190, 195, 2, Reasons.CoolingDown)]
    [InlineData("and goes down to one, not further, for as long", 2, 30, 50, 1, Reasons.CoolingDown)]
    [InlineData("active, the target asking for none: one stays", 1, 0.0001, 0, 1, Reasons.DemandMet)]
    public void Activation_threshold_is_independent_of_the_target(
        string rule,
        int replicas,
        double value,
        double activation,
        int desired,
        string reason
    )
    {
        var demand = ScalerDemand.From(Scaler(Terms(Trigger("gateway", 100, activation)), replicas, value).Active(10));
        (demand.Desired, demand.Reason).Should().Be((desired, reason), rule);
        demand.IsActive.Should().Be(value > activation);
    }

    [Theory]
    [InlineData("the cooldown is not over", 299, null, 1, Reasons.CoolingDown)]
    [InlineData("it is over", 300, null, 0, Reasons.Idle)]
    [InlineData("never active since anybody looks: no cooldown", null, null, 0, Reasons.Idle)]
    [InlineData("but the first one after its creation", null, 600, 1, Reasons.CoolingDown)]
    [InlineData("which is over", null, 500, 0, Reasons.Idle)]
    [InlineData("the later of the two counts", 310, 600, 1, Reasons.CoolingDown)]
    public void Cooldown(string rule, int? activeSecondsAgo, int? initialCooldown, int desired, string reason)
    {
        var scaler = Scaler(Terms(Trigger("gateway")) with { InitialCooldown = TimeSpan.FromSeconds(initialCooldown ?? 0) }, 1, 0) with
        {
            CreatedAt = Now.AddSeconds(-500),
        };
        if (activeSecondsAgo is { } seconds)
            scaler = scaler.Active(seconds);
        var demand = ScalerDemand.From(scaler);
        (demand.Desired, demand.Reason).Should().Be((desired, reason), rule);
    }

    [Fact]
    public void Activity_is_remembered_for_the_cooldown()
    {
        var scaler = Scaler(Terms(Trigger("gateway")), 1, 40);
        var memory = ScalerDemand.From(scaler).Memory;
        memory.ActiveAt.Should().Be(Now);
        var later = Scaler(scaler.Terms, 1, 0) with { Now = Now.AddSeconds(200), Memory = memory };
        ScalerDemand.From(later).Desired.Should().Be(1);
        ScalerDemand.From(later with { Now = Now.AddSeconds(300) }).Desired.Should().Be(0);
    }

    [Theory]
    [InlineData("it goes from several to zero as a whole", 5, 0, 0)]
    [InlineData("not while a replica starts", 5, 1, 1)]
    [InlineData("not while requests are in flight", 5, 2, 1)]
    [InlineData("not while it is rolled out", 5, 3, 1)]
    public void Activity_in_progress_keeps_one_replica(string rule, int replicas, int what, int desired)
    {
        var scaler = Scaler(Terms(Trigger("gateway")), replicas, 0).Active(1000);
        scaler = what switch
        {
            1 => scaler with { ReplicaStates = [.. scaler.ReplicaStates.Skip(1), new("new", Pending: true, Ready: false, Leaving: false)] },
            2 => scaler with { InFlight = true },
            3 => scaler with { IsRollingOut = true },
            _ => scaler,
        };
        var demand = ScalerDemand.From(scaler);
        demand.Desired.Should().Be(desired, rule);
        demand.Reason.Should().Be(desired == 0 ? Reasons.Idle : Reasons.ScaleDownDelayed, rule);
    }

    [Fact]
    public void Leaving_replica_does_not_count_as_starting()
    {
        var scaler = Scaler(Terms(Trigger("gateway")), 1, 0).Active(1000);
        ScalerDemand.From(scaler with { ReplicaStates = [new("old", false, false, Leaving: true)] }).Desired.Should().Be(0);
    }

    [Fact]
    public void Replica_that_never_becomes_ready_keeps_nothing_awake()
    {
        var scaler = Scaler(Terms(Trigger("gateway")), 1, 0).Active(1000);
        ScalerDemand.From(scaler with { ReplicaStates = [new("new", false, false, false)] }).Reason.Should().Be(Reasons.ScaleDownDelayed);
        ScalerDemand.From(scaler with { ReplicaStates = [new("new", false, false, false, Stuck: true)] }).Desired.Should().Be(0);
    }

    [Theory]
    [InlineData("a minimum of 3 is kept", 3, null, 5, 0, 3)]
    [InlineData("without idle there is nothing below it", 3, null, 3, 0, 3)]
    [InlineData("found below it: it is brought there at once", 3, null, 1, 0, 3)]
    [InlineData("even from zero, where an autoscaler would be off", 3, null, 0, 0, 3)]
    [InlineData("idle: with no trigger active it is left", 3, 0, 3, 0, 0)]
    [InlineData("idle: from more than the minimum too", 3, 0, 6, 0, 0)]
    [InlineData("idle: active, to the minimum at once", 3, 0, 0, 5, 3)]
    [InlineData("idle of one", 3, 1, 3, 0, 1)]
    [InlineData("idle of one is kept", 3, 1, 1, 0, 1)]
    [InlineData("idle of one, found at zero", 3, 1, 0, 0, 1)]
    [InlineData("idle of one, active: to the minimum", 3, 1, 1, 5, 3)]
    [InlineData("idle: active and asked for more than the minimum", 3, 0, 3, 700, 7)]
    public void Minimum_and_idle_replicas_apply(string rule, int min, int? idle, int replicas, double value, int desired) =>
        ScalerDemand
            .From(Scaler(Terms(Trigger("gateway")) with { Min = min, Idle = idle }, replicas, value))
            .Desired.Should()
            .Be(desired, rule);

    [Fact]
    public void Wanted_replicas_stay_unchanged_during_cooldown()
    {
        var demand = ScalerDemand.From(Scaler(Terms(Trigger("gateway")) with { Min = 3, Idle = 0 }, 2, 0).Active(1));
        (demand.Desired, demand.Wanted, demand.Memory.DemandSince).Should().Be((2, 2, null));
    }

    [Theory]
    [InlineData("only triggers that live in the replicas: one stays", "tokens queue", 1, 1)]
    [InlineData("and comes back, if someone took it", "tokens queue", 0, 1)]
    [InlineData("a gateway could wake it", "tokens gateway", 1, 0)]
    [InlineData("so could a time of day", "tokens cron", 1, 0)]
    public void Target_scales_to_zero_only_if_a_trigger_can_activate_it(string rule, string triggers, int replicas, int desired)
    {
        var names = triggers.Split(' ');
        var demand = ScalerDemand.From(
            Scaler(Terms([.. names.Select(name => Trigger(name))]), replicas, [.. names.Select(_ => (double?)0)])
        );
        demand.Desired.Should().Be(desired, rule);
        if (replicas == 0)
            demand.Reason.Should().Be(Reasons.NoActivationTrigger);
    }

    // Readings: a number, ! for an error, - for nothing to measure.
    [Theory]
    [InlineData("an error is not zero: it stays", 1, "!", 1, Reasons.MetricsUnavailable)]
    [InlineData("nor with many", 5, "!", 5, Reasons.MetricsUnavailable)]
    [InlineData("one inactive and one failing: it stays", 3, "0 !", 3, Reasons.MetricsUnavailable)]
    [InlineData("what another trigger asks for is done upwards", 3, "500 !", 5, Reasons.ScalingUp)]
    [InlineData("and not downwards", 5, "300 !", 5, Reasons.MetricsUnavailable)]
    [InlineData("nothing measured is not zero", 2, "-", 2, Reasons.AwaitingMetrics)]
    [InlineData("nor beside a trigger that is at rest", 2, "0 -", 2, Reasons.AwaitingMetrics)]
    [InlineData("not a number is an error", 2, "NaN", 2, Reasons.MetricsUnavailable)]
    [InlineData("infinite is one too", 2, "Infinity", 2, Reasons.MetricsUnavailable)]
    [InlineData("at zero an error wakes nobody", 0, "!", 0, Reasons.MetricsUnavailable)]
    [InlineData("at zero nothing measured is rest", 0, "-", 0, Reasons.Idle)]
    [InlineData("at zero another trigger wakes it", 0, "! 5", 1, Reasons.ScaledFromZero)]
    public void Missing_measurement_is_not_zero(string rule, int replicas, string words, int desired, string reason)
    {
        var readings = words
            .Split(' ')
            .Select(word =>
                word switch
                {
                    "!" => TriggerReading.Failed("no answer"),
                    "-" => new TriggerReading(),
                    _ => new TriggerReading { Value = double.Parse(word, System.Globalization.CultureInfo.InvariantCulture) },
                }
            )
            .ToArray();
        var scaler = Scaler(Terms([.. readings.Select((_, i) => Trigger($"gateway-{i}"))]), replicas) with { Readings = readings };
        var demand = ScalerDemand.From(scaler.Active(1000));
        (demand.Desired, demand.Reason).Should().Be((desired, reason), rule);
        if (reason == Reasons.MetricsUnavailable)
            demand.Error.Should().NotBeNull(rule);
    }

    [Theory]
    [InlineData("static", FallbackBehavior.Static, 4, 2, 4)]
    [InlineData("static takes away too", FallbackBehavior.Static, 4, 8, 4)]
    [InlineData("currentReplicas", FallbackBehavior.CurrentReplicas, 4, 8, 8)]
    [InlineData("currentReplicasIfHigher: they are", FallbackBehavior.CurrentReplicasIfHigher, 4, 8, 8)]
    [InlineData("currentReplicasIfHigher: they are not", FallbackBehavior.CurrentReplicasIfHigher, 4, 2, 4)]
    [InlineData("currentReplicasIfLower: they are not", FallbackBehavior.CurrentReplicasIfLower, 4, 8, 4)]
    [InlineData("currentReplicasIfLower: they are", FallbackBehavior.CurrentReplicasIfLower, 4, 2, 2)]
    [InlineData("without a formula scalingModifiers is static", FallbackBehavior.ScalingModifiers, 4, 2, 4)]
    [InlineData("a fallback of zero takes all but one, never the last", FallbackBehavior.Static, 0, 5, 1)]
    [InlineData("nor through the lower of the two", FallbackBehavior.CurrentReplicasIfLower, 0, 5, 1)]
    [InlineData("one stays", FallbackBehavior.Static, 0, 1, 1)]
    [InlineData("at zero a fallback of zero leaves it there", FallbackBehavior.Static, 0, 0, 0)]
    [InlineData("at zero a fallback wakes it", FallbackBehavior.Static, 4, 0, 1)]
    [InlineData("what is there at zero is nothing", FallbackBehavior.CurrentReplicas, 4, 0, 0)]
    public void Fallback(string rule, FallbackBehavior behavior, int fallback, int replicas, int desired)
    {
        var terms = Terms(Trigger("gateway")) with { Fallback = new(3, fallback, behavior) };
        // With a poll every 30 seconds, the fourth failure comes after 90.
        var before = ScalerDemand.From(Scaler(terms, replicas, [null]).Failing("gateway", 89));
        before.Desired.Should().Be(replicas, "three failures are not yet more than three");
        before.Triggers.Single().FellBack.Should().BeFalse();
        var demand = ScalerDemand.From(Scaler(terms, replicas, [null]).Failing("gateway", 90).Active(100_000));
        demand.Desired.Should().Be(desired, rule);
        demand.Triggers.Single().FellBack.Should().BeTrue();
    }

    [Fact]
    public void Fallback_ends_with_the_failure_and_counts_anew()
    {
        var terms = Terms(Trigger("gateway")) with { Fallback = new(1, 6, FallbackBehavior.Static) };
        var first = ScalerDemand.From(Scaler(terms, 2, [null]));
        first.Memory.FailingSince["gateway"].Should().Be(Now);
        var fallen = ScalerDemand.From(Scaler(terms, 2, [null]) with { Now = Now.AddSeconds(31), Memory = first.Memory });
        (fallen.Desired, fallen.Reason).Should().Be((6, Reasons.FallbackActive));
        var back = ScalerDemand.From(Scaler(terms, 6, 200) with { Now = Now.AddSeconds(32), Memory = fallen.Memory });
        (back.Desired, back.Memory.FailingSince.Count).Should().Be((2, 0));
        ScalerDemand.From(Scaler(terms, 2, [null]) with { Now = Now.AddSeconds(70), Memory = back.Memory }).Desired.Should().Be(2);
    }

    [Fact]
    public void Fallback_replaces_its_own_trigger_only()
    {
        var terms = Terms(Trigger("gateway"), Trigger("other")) with { Fallback = new(0, 3, FallbackBehavior.Static) };
        ScalerDemand.From(Scaler(terms, 3, [null, 800]).Failing("gateway", 60)).Desired.Should().Be(8);
        ScalerDemand.From(Scaler(terms, 5, [null, 0]).Failing("gateway", 60)).Desired.Should().Be(3);
    }

    [Theory]
    [InlineData("one number of all", "gateway + tokens", 2, 300, 100, 4)]
    [InlineData("its own target counts, not the triggers'", "max(gateway, tokens)", 2, 700, 100, 7)]
    [InlineData("nothing at all rests", "gateway + tokens", 2, 0, 0, 0)]
    [InlineData("a division by zero is an error", "gateway / tokens", 2, 5, 0, 2)]
    public void Formula_replaces_its_triggers_with_one_metric(
        string rule,
        string formula,
        int replicas,
        double gateway,
        double tokens,
        int desired
    )
    {
        var terms = Terms(Trigger("gateway", 1), Trigger("tokens", 1)) with
        {
            Modifiers = new(Formula.TryParse(formula, out _)!, 100, 0, TriggerMetricType.AverageValue),
        };
        ScalerDemand.From(Scaler(terms, replicas, gateway, tokens).Active(1000)).Desired.Should().Be(desired, rule);
    }

    [Theory]
    [InlineData("a failure is the formula's too", FallbackBehavior.Static, 10, 2, 2)]
    [InlineData("after enough of them the fallback stands for the whole", FallbackBehavior.Static, 100, 2, 6)]
    [InlineData("with its own behaviour", FallbackBehavior.CurrentReplicasIfHigher, 100, 8, 8)]
    [InlineData("or the formula is told nil", FallbackBehavior.ScalingModifiers, 100, 2, 3)]
    public void Fallback_applies_to_a_formula(string rule, FallbackBehavior behavior, double seconds, int replicas, int desired)
    {
        var terms = Terms(Trigger("gateway", 1), Trigger("other", 1)) with
        {
            Fallback = new(2, 6, behavior),
            Modifiers = new(Formula.TryParse("gateway ?? other", out _)!, 100, 0, TriggerMetricType.AverageValue),
        };
        ScalerDemand.From(Scaler(terms, replicas, [null, 300]).Failing("gateway", seconds)).Desired.Should().Be(desired, rule);
    }

    [Theory]
    [InlineData(99, 0)]
    [InlineData(101, 1)]
    public void Formula_has_an_activation_of_its_own(double gateway, int desired)
    {
        var terms = Terms(Trigger("gateway", 1)) with
        {
            Modifiers = new(Formula.TryParse("gateway * 2", out _)!, 100, 200, TriggerMetricType.AverageValue),
        };
        ScalerDemand.From(Scaler(terms, 0, gateway)).Desired.Should().Be(desired);
    }

    [Fact]
    public void Replicas_that_have_not_started_dampen_the_next_jump()
    {
        var scaler = Scaler(Terms(Trigger("tokens")) with { Min = 1 }, 4) with
        {
            ReplicaStates =
            [
                new("a", false, true, false),
                new("b", false, true, false),
                new("c", true, false, false),
                new("d", true, false, false),
            ],
            Readings =
            [
                new()
                {
                    Value = 500,
                    PerReplica = new Dictionary<string, long> { ["a"] = 250_000, ["b"] = 250_000 },
                },
            ],
        };
        ScalerDemand.From(scaler).Desired.Should().Be(5, "500 over 100 each, not 2.5 times 4");
    }

    [Fact]
    public void Demand_begins_at_the_first_measurement_above_the_replicas()
    {
        var terms = Terms(Trigger("gateway"));
        var first = ScalerDemand.From(Scaler(terms, 1, 500));
        first.Memory.DemandSince.Should().Be(Now.AddSeconds(-1));
        var second = ScalerDemand.From(Scaler(terms, 1, 600) with { Now = Now.AddSeconds(3), Memory = first.Memory });
        second.Memory.DemandSince.Should().Be(Now.AddSeconds(-1));
        second.Memory.WithScaled(1, 6, terms.Behavior, Now).DemandSince.Should().BeNull();
        ScalerDemand.From(Scaler(terms, 1, 100) with { Memory = second.Memory }).Memory.DemandSince.Should().BeNull("no demand is left");
    }
}
