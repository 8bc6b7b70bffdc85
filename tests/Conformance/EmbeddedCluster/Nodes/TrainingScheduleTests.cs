using Bursar.Sandbox.Nodes;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Nodes;

public sealed class TrainingScheduleTests
{
    private static readonly DeterministicNoise Noise = new(7, "default/train");

    private static TrainingSchedule Plain =>
        new()
        {
            TotalSteps = 30_000,
            StepTime = TimeSpan.FromMilliseconds(90),
            Noise = Noise,
        };

    [Fact]
    public void Founding_example_takes_2700_seconds()
    {
        Plain.Length.Should().Be(TimeSpan.FromSeconds(2700));
        Plain.StepAt(TimeSpan.FromSeconds(9)).Should().Be(100);
        Plain.StepAt(TimeSpan.FromSeconds(9) - TimeSpan.FromTicks(1)).Should().Be(99);
    }

    [Fact]
    public void Run_that_slows_down_applies_the_factor_from_that_step_on()
    {
        var slow = Plain with { SlowAfter = 10_000, SlowFactor = 3 };

        slow.CompletedAt(10_000).Should().Be(TimeSpan.FromSeconds(900));
        slow.Length.Should().Be(TimeSpan.FromSeconds(900 + 3 * 1800));
    }

    [Fact]
    public void Checkpoints_count_once_they_are_written_and_cost_their_time()
    {
        var schedule = Plain with { Startup = TimeSpan.FromSeconds(20), CheckpointEvery = 500, CheckpointTime = TimeSpan.FromSeconds(5) };

        schedule.CheckpointAt(TimeSpan.FromSeconds(20 + 45 + 4)).Should().BeNull();
        schedule.CheckpointAt(TimeSpan.FromSeconds(20 + 45 + 5)).Should().Be((500L, TimeSpan.FromSeconds(70)));
        schedule.StepAt(TimeSpan.FromSeconds(20 + 45 + 5 + 9)).Should().Be(600);
    }

    [Fact]
    public void Resumed_run_makes_only_the_steps_that_are_left()
    {
        var resumed = Plain with { ResumeStep = 20_000, Startup = TimeSpan.FromSeconds(20) };

        resumed.StepAt(TimeSpan.Zero).Should().Be(20_000);
        resumed.Length.Should().Be(TimeSpan.FromSeconds(20 + 900));
    }

    [Fact]
    public void Steps_keep_their_order_whatever_the_noise() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<int>(),
                Gen.Choose(0, 50).ToArbitrary(),
                Gen.Choose(1, 2000).ToArbitrary(),
                (seed, jitter, every) =>
                {
                    var schedule = new TrainingSchedule
                    {
                        TotalSteps = 3000,
                        StepTime = TimeSpan.FromMilliseconds(90),
                        ResumeStep = 100,
                        SlowAfter = 1500,
                        SlowFactor = 1.5,
                        CheckpointEvery = every,
                        CheckpointTime = TimeSpan.FromSeconds(1),
                        Jitter = jitter / 100.0,
                        Noise = new DeterministicNoise(seed, "run"),
                    };
                    for (var step = 101L; step <= 3000; step += 37)
                    {
                        var at = schedule.CompletedAt(step);
                        if (at <= schedule.CompletedAt(step - 1) || schedule.StepAt(at) != step)
                            return false;
                    }

                    return true;
                }
            )
            .QuickCheckThrowOnFailure();
}
