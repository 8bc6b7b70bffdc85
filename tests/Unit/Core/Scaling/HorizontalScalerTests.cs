using Bursar.Core.Scaling;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Scaling;

/// <summary>
/// Rules of the HorizontalPodAutoscaler page on kubernetes.io, up to "Configurable scaling behavior", one per row.
/// </summary>
public sealed class HorizontalScalerTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 9, 0, 0, TimeSpan.Zero);

    private static readonly ScalingBehavior Free = new(
        new() { StabilizationWindowSeconds = 0, Policies = [new(ScalingPolicyType.Percent, 100_000, 15)] },
        new() { StabilizationWindowSeconds = 0, Policies = [new(ScalingPolicyType.Percent, 100, 15)] }
    );

    // proposals: the replicas that each metric asks for, ! for none.
    [Theory]
    [InlineData("the highest of several counts", 4, "5 9 7", 9, null)]
    [InlineData("one alone", 4, "3", 3, null)]
    [InlineData("a missing one does not hinder more", 4, "! 6", 6, null)]
    [InlineData("a missing one forbids fewer", 4, "! 3", 4, "m0: no figure")]
    [InlineData("a missing one and the same are the same", 4, "4 !", 4, null)]
    [InlineData("all missing: nothing changes", 4, "! !", 4, "m0: no figure")]
    [InlineData("above the maximum it is the maximum", 4, "50", 20, null, "TooManyReplicas")]
    [InlineData("below the minimum it is the minimum", 4, "1", 2, null, "TooFewReplicas")]
    [InlineData("nothing asked for is the minimum", 4, "0", 2, null, "TooFewReplicas")]
    [InlineData("found above the maximum: at once the maximum, whatever is measured", 30, "25", 20, null, "TooManyReplicas")]
    [InlineData("found below the minimum: at once the minimum", 1, "!", 2, null, "TooFewReplicas")]
    public void Highest_of_several_metrics_decides(
        string rule,
        int current,
        string proposals,
        int desired,
        string? error,
        string? limitedBy = null
    )
    {
        var step = HorizontalScaler.Step(current, 2, 20, Proposals(proposals), Free, ScalingHistory.Empty, Start);
        step.Desired.Should().Be(desired, rule);
        step.Error.Should().Be(error, rule);
        step.LimitedBy.Should().Be(limitedBy, rule);
    }

    [Theory]
    [InlineData("default: 4 or twice as many in 15 seconds, whichever is more: 1 to 5", "", 1, 40, 5)]
    [InlineData("10 to 20", "", 10, 40, 20)]
    [InlineData("several pods policies: max is the default and takes the greater", "up: pods 4/60, percent 10/60", 10, 100, 14)]
    [InlineData("the greater may be the percentage", "up: pods 4/60, percent 10/60", 60, 100, 66)]
    [InlineData("min takes the lesser", "up: pods 4/60, percent 10/60; min", 60, 100, 64)]
    [InlineData("Disabled forbids the direction", "up: pods 4/60; disabled", 10, 100, 10)]
    [InlineData("Disabled upwards leaves downwards", "up: pods 4/60; disabled", 10, 5, 5)]
    [InlineData("a percentage upwards is rounded up, or 1 would stay for ever", "up: percent 10/60", 1, 100, 2)]
    [InlineData("a percentage downwards is cut: 10 percent of 15 leaves 13", "down: percent 10/60", 15, 1, 13)]
    [InlineData("down by pods", "down: pods 2/60", 10, 1, 8)]
    [InlineData("down by min takes the lesser change", "down: pods 4/60, percent 10/60; min", 80, 1, 76)]
    [InlineData("down by max the greater", "down: pods 4/60, percent 10/60", 80, 1, 72)]
    [InlineData("Disabled forbids downwards", "down: pods 4/60; disabled", 80, 1, 80)]
    [InlineData("all may go at once by default, to the minimum", "", 80, 1, 1)]
    public void Policies(string rule, string policies, int current, int asked, int desired)
    {
        var behavior = Behavior(policies) with { };
        behavior = behavior with { Down = behavior.Down with { StabilizationWindowSeconds = 0 } };
        HorizontalScaler.Step(current, 1, 100, [new(asked, "m")], behavior, ScalingHistory.Empty, Start).Desired.Should().Be(desired, rule);
    }

    [Fact]
    public void Policy_counts_from_the_replicas_at_its_periods_begin()
    {
        // The example of the Kubernetes documentation: 10 percent of 80 per minute.
        var run = new Run(Behavior("down: pods 4/60, percent 10/60"), 80);
        run.After(0, asked: 1).Should().Be(72);
        run.After(15, asked: 1).Should().Be(72, "the 8 of this minute are used up");
        run.After(59, asked: 1).Should().Be(72);
        run.After(60, asked: 1).Should().Be(64, "a change a minute old counts no more");
        run.After(120, asked: 1).Should().Be(57, "10 percent of 64 is cut to 57.6, then 57");
    }

    [Fact]
    public void Policy_counts_changes_in_the_other_direction_too()
    {
        var run = new Run(Behavior("up: pods 4/60"), 10);
        run.After(0, asked: 14).Should().Be(14);
        run.After(5, asked: 10).Should().Be(10);
        run.After(10, asked: 30).Should().Be(14, "the period started with 10");
        run.After(70, asked: 30).Should().Be(18);
    }

    [Fact]
    public void Change_counts_for_the_longer_period_of_both_directions()
    {
        // As in Kubernetes: the scale-down policy looks back 5 s, the scale-up policy 60 s.
        var run = new Run(Behavior("up: pods 2/60 | down: percent 100/5"), 10);
        run.After(0, asked: 4).Should().Be(4);
        run.After(10, asked: 30).Should().Be(12, "10 at the start of the period plus 2");
        run.After(20, asked: 12).Should().Be(12);
    }

    [Fact]
    public void Scale_down_uses_the_highest_recommendation_of_its_window()
    {
        var run = new Run(Behavior("down: percent 100/15; window 60"), 10);
        run.After(0, asked: 9).Should().Be(10, "the replicas at the start count as recommended");
        run.LimitedBy.Should().Be(HorizontalScaler.ScaleDownStabilized);
        run.After(30, asked: 3).Should().Be(10);
        run.After(59.9, asked: 3).Should().Be(10);
        run.After(60, asked: 3).Should().Be(3, "10 and 9 are a minute old");
        run.LimitedBy.Should().BeNull();
    }

    [Fact]
    public void Scale_up_uses_the_lowest_recommendation_of_its_window()
    {
        var run = new Run(Behavior("up: percent 1000/15; window 60"), 2);
        run.After(0, asked: 9).Should().Be(2);
        run.LimitedBy.Should().Be(HorizontalScaler.ScaleUpStabilized);
        run.After(30, asked: 5).Should().Be(2);
        run.After(61, asked: 8).Should().Be(5, "5 is the lower of 5 and 8");
        run.After(91, asked: 8).Should().Be(8);
    }

    [Fact]
    public void Replicas_between_both_recommendations_stay()
    {
        var run = new Run(Behavior("up: percent 1000/15; window 60 | down: percent 100/15; window 60"), 5);
        run.After(0, asked: 8).Should().Be(5);
        run.After(20, asked: 2).Should().Be(5);
        run.After(40, asked: 9).Should().Be(5);
    }

    [Fact]
    public void Default_behavior_waits_five_minutes_before_scaling_down()
    {
        var run = new Run(ScalingBehavior.Default, 10);
        for (var second = 0; second < 300; second += 15)
            run.After(second, asked: 2).Should().Be(10);
        run.After(300, asked: 2).Should().Be(2);
    }

    [Fact]
    public void Recommendation_is_recorded_before_limits_apply()
    {
        var run = new Run(Behavior("up: pods 1/1 | down: percent 100/15; window 30"), 2);
        run.After(0, asked: 20).Should().Be(3);
        run.After(10, asked: 1).Should().Be(3);
        run.After(29, asked: 1).Should().Be(3, "20 was recommended, although fewer were reached");
        run.After(31, asked: 1).Should().Be(1);
    }

    [Fact]
    public void Missing_metric_records_no_recommendation()
    {
        var run = new Run(Behavior("down: percent 100/15; window 30"), 5);
        run.After(0, asked: 5).Should().Be(5);
        run.After(20, asked: null).Should().Be(5);
        run.After(31, asked: 1).Should().Be(1);
    }

    [Fact]
    public void Wanted_replicas_ignore_the_scaling_policies()
    {
        var step = HorizontalScaler.Step(2, 1, 50, [new(40, "m")], Behavior("up: pods 1/60"), ScalingHistory.Empty, Start);
        (step.Desired, step.Wanted, step.LimitedBy, step.Metric).Should().Be((3, 40, HorizontalScaler.ScaleUpLimit, "m"));
        HorizontalScaler.Step(2, 1, 10, [new(40, "m")], ScalingBehavior.Default, ScalingHistory.Empty, Start).Wanted.Should().Be(10);
    }

    [Fact]
    public void Dropped_recommendations_never_change_the_result()
    {
        // Compares with a reference that keeps every recommendation.
        var gen = Gen.Elements(0, 3, 10, 45)
            .Two()
            .SelectMany(windows =>
                Gen.Choose(0, 20).Select(seconds => (double)seconds).Zip(Gen.Choose(0, 12)).ListOf().Select(looks => (windows, looks))
            );
        Prop.ForAll(gen.ToArbitrary(), drawn =>
            {
                var behavior = new ScalingBehavior(
                    Free.Up with
                    {
                        StabilizationWindowSeconds = drawn.windows.Item1,
                    },
                    Free.Down with
                    {
                        StabilizationWindowSeconds = drawn.windows.Item2,
                    }
                );
                var run = new Run(behavior, 4);
                var all = new List<(double At, int Replicas)>();
                var (at, current) = (0d, 4);
                foreach (var (seconds, asked) in drawn.looks)
                {
                    at += seconds;
                    if (all.Count == 0)
                        all.Add((at, current));
                    var up = all.Where(one => one.At > at - drawn.windows.Item1).Select(one => one.Replicas).Append(asked).Min();
                    var down = all.Where(one => one.At > at - drawn.windows.Item2).Select(one => one.Replicas).Append(asked).Max();
                    all.Add((at, asked));
                    var expected = Math.Clamp(Math.Min(Math.Max(current, up), down), 1, 100);
                    current = run.After(at, asked);
                    current.Should().Be(expected);
                    run.History.Recommendations.Count.Should().BeLessThanOrEqualTo(2 * 13);
                }
            })
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Replicas_stay_within_minimum_maximum_and_policies()
    {
        var gen = Gen.Choose(1, 30).Zip(Gen.Choose(0, 40).Zip(Gen.Choose(1, 20)).ListOf());
        Prop.ForAll(gen.ToArbitrary(), drawn =>
            {
                var run = new Run(Behavior("up: pods 3/10 | down: pods 2/10"), Math.Clamp(drawn.Item1, 2, 25), 2, 25);
                var at = 0d;
                var course = new List<(double At, int Replicas)> { (0, run.Current) };
                foreach (var (asked, seconds) in drawn.Item2)
                {
                    var before = run.Current;
                    at += seconds;
                    var begin = course.Last(one => one.At <= at - 10 || one.At == 0).Replicas;
                    run.After(at, asked).Should().BeInRange(2, 25);
                    if (run.Current > before)
                        run.Current.Should().BeLessThanOrEqualTo(begin + 3);
                    if (run.Current < before)
                        run.Current.Should().BeGreaterThanOrEqualTo(begin - 2);
                    course.Add((at, run.Current));
                }
            })
            .QuickCheckThrowOnFailure();
    }

    private static Proposal[] Proposals(string words) =>
        [
            .. words
                .Split(' ')
                .Select(
                    (word, i) =>
                        word == "!"
                            ? new Proposal(null, $"m{i}", "no figure")
                            : new(int.Parse(word, System.Globalization.CultureInfo.InvariantCulture), $"m{i}")
                ),
        ];

    /// <summary>
    /// Parses <c>up: pods 4/60, percent 10/60; min; window 30 | down: ...</c>. Omitted parts mean: at once and without limit.
    /// </summary>
    private static ScalingBehavior Behavior(string text)
    {
        if (text.Length == 0)
            return ScalingBehavior.Default;
        var behavior = Free;
        foreach (var direction in text.Split(" | "))
        {
            var (name, rest) = (
                direction[..direction.IndexOf(':', StringComparison.Ordinal)],
                direction[(direction.IndexOf(':', StringComparison.Ordinal) + 2)..]
            );
            var rules = new ScalingRules { StabilizationWindowSeconds = 0, Policies = [] };
            foreach (var part in rest.Split("; "))
            {
                rules = part switch
                {
                    "min" => rules with { SelectPolicy = ScalingPolicySelect.Min },
                    "disabled" => rules with { SelectPolicy = ScalingPolicySelect.Disabled },
                    _ when part.StartsWith("window ", StringComparison.Ordinal) => rules with
                    {
                        StabilizationWindowSeconds = int.Parse(part[7..], System.Globalization.CultureInfo.InvariantCulture),
                    },
                    _ => rules with
                    {
                        Policies =
                        [
                            .. part.Split(", ")
                                .Select(policy => policy.Split(' ', '/'))
                                .Select(words => new ScalingPolicy(
                                    words[0] == "pods" ? ScalingPolicyType.Pods : ScalingPolicyType.Percent,
                                    int.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture),
                                    int.Parse(words[2], System.Globalization.CultureInfo.InvariantCulture)
                                )),
                        ],
                    },
                };
            }
            behavior = name == "up" ? behavior with { Up = rules } : behavior with { Down = rules };
        }
        return behavior;
    }

    /// <summary>An autoscaler whose steps take effect at once.</summary>
    private sealed class Run(ScalingBehavior behavior, int current, int min = 1, int max = 100)
    {
        public int Current { get; private set; } = current;

        public string? LimitedBy { get; private set; }

        public ScalingHistory History { get; private set; } = ScalingHistory.Empty;

        public int After(double seconds, int? asked)
        {
            var now = Start.AddSeconds(seconds);
            var step = HorizontalScaler.Step(
                Current,
                min,
                max,
                [new(asked, "m", asked is null ? "no figure" : null)],
                behavior,
                History,
                now
            );
            History = step.History.WithScaled(Current, step.Desired, behavior, now);
            LimitedBy = step.LimitedBy;
            return Current = step.Desired;
        }
    }
}
