using Bursar.Core.Decisions;
using Bursar.Core.Scaling;
using static Bursar.Tests.Unit.Core.Scaling.GivenScaler;

namespace Bursar.Tests.Unit.Core.Scaling;

/// <summary>Decisions from demand and affordable replicas, and the cases in which a scaler must not write.</summary>
public sealed class ScalerDeciderTests
{
    private static readonly ReplicaCap Three = new("nlp", 3, 3, Price * 3, "budget nlp has 6.00 USD/h until its window ends");

    [Fact]
    public void Capped_scaler_reports_wanted_and_affordable_replicas_and_the_gap()
    {
        var decision = Scaler(Terms(Trigger("gateway")), 2, 700).Decide(Three, new("costCap", 5, 5, Price * 5, "costCap is 10.00 USD/h"));
        (decision.Desired, decision.Wanted, decision.Affordable, decision.MissingPerHour).Should().Be((3, 7, 3, Price * 4));
        decision.Reason.Should().Be(Reasons.CostCapped);
        decision
            .Sentence.Should()
            .ContainAll("7 replicas of Deployment/chat", "gateway is 700", "target of 100", Three.Why, "4 missing", "8.00 USD/h");
        (decision.IsCapped, decision.Scales, decision.Cap!.Source).Should().Be((true, true, "nlp"));
        Condition(decision, "Affordable").Should().Be(new ConditionValue("Affordable", false, Reasons.CostCapped, decision.Sentence));
        Condition(decision, "Ready").Status.Should().BeTrue();
    }

    [Fact]
    public void Scaler_below_its_cap_lacks_nothing()
    {
        var decision = Scaler(Terms(Trigger("gateway")), 2, 300).Decide(Three);
        (decision.Desired, decision.Affordable, decision.MissingPerHour, decision.IsCapped).Should().Be((3, 3, null, false));
        decision.Sentence.Should().ContainAll("Deployment/chat", "from 2 to 3 replicas", "gateway is 300", "target of 100");
        Condition(decision, "Affordable").Status.Should().BeTrue();
    }

    [Theory]
    [InlineData("the cap takes away what is there", 0, 6, 700, 3, 3)]
    [InlineData("the floor is kept whatever it says", 4, 6, 700, 4, 4)]
    [InlineData("demand below it is demand", 0, 6, 200, 2, 3)]
    public void Cap_lowers_and_never_raises(string rule, int min, int replicas, double value, int desired, int affordable)
    {
        var decision = Scaler(Terms(Trigger("gateway")) with { Min = min }, replicas, value).Decide(Three);
        (decision.Desired, decision.Affordable).Should().Be((desired, affordable), rule);
    }

    [Fact]
    public void Message_without_a_price_names_no_cost()
    {
        var scaler = Scaler(Terms(Trigger("gateway")), 3, 700) with { Prices = new(3, Price * 3, null) };
        var decision = scaler.Decide(Three);
        decision.MissingPerHour.Should().BeNull();
        decision.Sentence.Should().ContainAll("4 missing", "not known").And.NotContain("USD/h more");
    }

    [Fact]
    public void Single_missing_replica_is_reported_in_the_singular() =>
        Scaler(Terms(Trigger("gateway")), 3, 400).Decide(Three).Sentence.Should().ContainAll("missing one", "2.00 USD/h");

    [Fact]
    public void Cap_is_no_recommendation()
    {
        // Stabilization windows record wanted replicas, not affordable ones.
        var terms = Terms(Trigger("gateway")) with
        {
            Behavior = AtOnce with { Down = AtOnce.Down with { StabilizationWindowSeconds = 300 } },
        };
        var first = Scaler(terms, 3, 700).Decide(Three);
        var second = (Scaler(terms, 3, 400) with { Now = Now.AddSeconds(10), Memory = first.Memory }).Decide(Three);
        (second.Wanted, second.Desired).Should().Be((4, 3));
        var third = (Scaler(terms, 3, 100) with { Now = Now.AddSeconds(20), Memory = second.Memory }).Decide(Three);
        (third.Wanted, third.Reason).Should().Be((3, HorizontalScaler.ScaleDownStabilized));
    }

    [Fact]
    public void Suspended_scaler_pauses_and_records_no_reversal()
    {
        var memory = ScalerMemory.Empty with { Written = 4, Seen = true };
        var decision = (Scaler(Terms(Trigger("gateway")), 0, 700) with { SuspendedBy = "nlp", Memory = memory }).Decide();
        (decision.IsPaused, decision.Scales, decision.Reason).Should().Be((true, false, Reasons.SuspendedByBudget));
        decision.Sentence.Should().ContainAll("nlp", "Deployment/chat");
        decision.Memory.Reverted.Should().BeEmpty();
        decision.Memory.Written.Should().BeNull();
    }

    [Fact]
    public void Observing_scaler_reports_what_it_would_do()
    {
        var decision = (Scaler(Terms(Trigger("gateway")), 2, 700) with { ObserveOnly = true }).Decide();
        (decision.Desired, decision.Scales, decision.Reason).Should().Be((7, false, Reasons.Observing));
        decision.Sentence.Should().ContainAll("Deployment/chat stays at 2 replicas", "7 replicas", "gateway is 700");
    }

    [Fact]
    public void Target_scaled_by_another_manager_is_only_capped()
    {
        var scaler = Scaler(Terms(), 5) with { ScaledBy = "KEDA's ScaledObject chat scales it" };
        var decision = scaler.Decide(Three);
        (decision.Scales, decision.Affordable, decision.Reason).Should().Be((false, 3, Reasons.CappedThroughAutoscaler));
        decision.Sentence.Should().StartWith("KEDA's ScaledObject chat scales it: ").And.Contain(" 3");
        scaler.Decide().Sentence.Should().StartWith("KEDA's ScaledObject chat scales it: ").And.NotContain("3");
        var wanting = (Scaler(Terms(Trigger("gateway")), 3, 700) with { ScaledBy = "the HorizontalPodAutoscaler chat scales it" }).Decide(
            Three
        );
        (wanting.Scales, wanting.Reason).Should().Be((false, Reasons.CostCapped));
        wanting.Sentence.Should().ContainAll("8.00 USD/h", "The HorizontalPodAutoscaler chat scales it", "maximum");
    }

    [Fact]
    public void Scaler_without_triggers_and_without_a_manager_is_not_ready()
    {
        var decision = Scaler(Terms(), 3).Decide();
        (decision.Scales, decision.Reason, Condition(decision, "Ready").Status).Should().Be((false, Reasons.NoTriggers, false));
    }

    [Fact]
    public void Error_is_reported_while_it_lasts()
    {
        var decision = Scaler(Terms(Trigger("gateway")), 3, [null]).Decide();
        decision.Scales.Should().BeFalse();
        var ready = Condition(decision, "Ready");
        (ready.Status, ready.Reason).Should().Be((false, Reasons.MetricsUnavailable));
        ready.Message.Should().ContainAll("Deployment/chat", "3 replicas", "gateway: no answer");
    }

    [Fact]
    public void Foreign_change_is_reverted_once_and_contested_when_repeated()
    {
        var terms = Terms(Trigger("gateway"));
        var memory = ScalerMemory.Empty;
        ScalerDecision Look(double minute, int replicas)
        {
            var decision = (Scaler(terms, replicas, 700) with { Now = Now.AddMinutes(minute), Memory = memory }).Decide();
            memory = decision.Scales
                ? decision.Memory.WithScaled(replicas, decision.Desired, terms.Behavior, Now.AddMinutes(minute))
                : decision.Memory;
            return decision;
        }

        Look(0, 2).Scales.Should().BeTrue();
        Look(0.01, 2).Memory.Reverted.Should().BeEmpty("the cache does not have the write yet, so it was not reverted");
        Look(0.02, 7).Scales.Should().BeFalse();
        Look(1, 3).Scales.Should().BeTrue("a single change may be a mistake");
        Look(1.1, 7).Reason.Should().NotBe(Reasons.Contested);
        var contested = Look(2, 4);
        (contested.Scales, contested.Reason, contested.Desired).Should().Be((false, Reasons.Contested, 7));
        contested.Sentence.Should().ContainAll("Deployment/chat", "4 replicas", "5 minutes", "7 replicas", "gateway is 700");
        Condition(contested, "Contested").Status.Should().BeTrue();
        Look(6.9, 4).Scales.Should().BeFalse();
        Look(7, 4).Scales.Should().BeTrue("five minutes later it tries again");
        Look(7.1, 7).Reason.Should().NotBe(Reasons.Contested);
        Look(8, 4).Reason.Should().Be(Reasons.Contested, "and it is reverted again");
        Look(13, 4).Scales.Should().BeTrue();
        Look(13.1, 7).Scales.Should().BeFalse();
        Look(30, 5).Scales.Should().BeTrue("long after, a change counts as the first again");
    }

    [Fact]
    public void Change_before_the_first_write_is_no_reversal()
    {
        var decision = Scaler(Terms(Trigger("gateway")), 3, 700).Decide();
        decision.Memory.Reverted.Should().BeEmpty();
        (Scaler(Terms(Trigger("gateway")), 5, 700) with { Memory = decision.Memory }).Decide().Memory.Reverted.Should().BeEmpty();
    }

    private static ConditionValue Condition(ScalerDecision decision, string type) => decision.Conditions.Single(one => one.Type == type);
}
