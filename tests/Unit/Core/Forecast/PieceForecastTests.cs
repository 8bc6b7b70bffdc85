using Bursar.Core.Forecast;

namespace Bursar.Tests.Unit.Core.Forecast;

/// <summary>Jobs that run in waves: cases C1 to C5 of the field reports, and similar ones.</summary>
public sealed class PieceForecastTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 2, 19, 0, 0, TimeSpan.Zero);

    [Fact]
    public void First_of_sixty_equal_pieces_predicts_the_cost_of_all()
    {
        var pieces = new Pieces
        {
            Total = 60,
            AtOnce = 10,
            Ended = 1,
            Finished = Hours(1),
            InFlight = Times(9, TimeSpan.FromMinutes(60)),
        };

        Gpu(pieces).Should().BeApproximately(50, 50 * 0.05, "50 pieces of an hour are to come, and nine end at this moment");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(90)]
    [InlineData(359)]
    public void Pieces_one_after_the_other_cost_the_same_at_every_moment(int seconds)
    {
        for (var ended = 1; ended < 20; ended++)
        {
            var pieces = new Pieces
            {
                Total = 20,
                AtOnce = 1,
                Ended = ended,
                Finished = Times(ended, TimeSpan.FromMinutes(6)),
                InFlight = [TimeSpan.FromSeconds(seconds)],
            };
            (ended * 0.1 + seconds / 3600.0 + Gpu(pieces)).Should().BeApproximately(2, 0.001, "{0} ended", ended);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    public void Suspended_sweep_has_the_declared_time_of_the_pieces_that_are_left(int atOnce)
    {
        var estimate = Estimator.AfterResume(
            new()
            {
                DeclaredDuration = TimeSpan.FromHours(10),
                Pieces =
                [
                    new()
                    {
                        Total = 100,
                        AtOnce = atOnce,
                        Ended = 80,
                    },
                ],
            }
        );

        estimate.Source.Should().Be(EstimateSource.Declared);
        estimate.Likely.Should().BeCloseTo(TimeSpan.FromHours(2), TimeSpan.FromSeconds(1));
        estimate.High.Should().BeLessThan(TimeSpan.FromHours(3));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void First_group_that_suffices_ends_the_others_and_the_later_stages(int stageOfTheLong)
    {
        Pieces @short = new()
        {
            Total = 10,
            AtOnce = 1,
            Ended = 2,
            Finished = Times(2, TimeSpan.FromHours(1)),
            InFlight = Times(1, TimeSpan.FromMinutes(1)),
            Suffices = true,
        };
        Pieces @long = new()
        {
            Total = 500,
            AtOnce = 1,
            Ended = 2,
            Finished = Times(2, TimeSpan.FromHours(1)),
            InFlight = stageOfTheLong == 0 ? Times(1, TimeSpan.FromMinutes(1)) : [],
            Stage = stageOfTheLong,
            Suffices = true,
        };

        Of([@long, @short]).Should().BeApproximately(stageOfTheLong == 0 ? 16 : 8, 0.5, "the work ends with the short one");
        Of([@long with { Suffices = false }, @short with { Suffices = false }]).Should().BeGreaterThan(500);

        double Of(Pieces[] groups)
        {
            var estimate = Estimator.Remaining(
                new()
                {
                    Pieces = groups,
                    Gpus = 1,
                    RunningSince = Now.AddHours(-2),
                },
                Now
            );
            estimate.Low.Should().BeLessThan(estimate.Likely);
            return estimate.Likely.TotalHours;
        }
    }

    [Fact]
    public void Failed_indexes_are_not_expected_to_run()
    {
        var pieces = new Pieces
        {
            Total = 100,
            AtOnce = 10,
            Ended = 90,
            Finished = Times(90, TimeSpan.FromHours(1)),
            InFlight = Times(10, TimeSpan.FromMinutes(1)),
        };

        Remaining(pieces).Likely.TotalHours.Should().BeInRange(0.9, 1.1);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    public void Pieces_whose_pods_are_gone_are_timed_by_the_GPU_time_of_the_job(int hours)
    {
        var pieces = new Pieces
        {
            Total = 100,
            AtOnce = 10,
            Ended = 90,
            GpuTime = TimeSpan.FromHours(9),
            InFlight = Times(10, TimeSpan.FromHours(hours)),
        };

        Remaining(pieces).Likely.TotalHours.Should().BeInRange(0.9, 2);
    }

    [Fact]
    public void Success_count_ends_a_sweep_at_the_rate_of_its_successes()
    {
        var pieces = new Pieces
        {
            Total = 40,
            AtOnce = 10,
            Ended = 2,
            Finished = Hours(0.5, 1),
            Success = new(Needed: 1, Succeeded: 2),
            InFlight = [.. Times(8, TimeSpan.FromHours(1)), TimeSpan.FromHours(0.5), TimeSpan.Zero],
        };

        Remaining(pieces).Likely.TotalHours.Should().BeApproximately(0.5, 0.05);
    }

    [Fact]
    public void Success_of_the_first_indexes_ends_a_sweep_with_their_wave()
    {
        // Indexes 0 to 9 must succeed; 5 to 9 run, and those from 10 on do not count.
        var pieces = new Pieces
        {
            Total = 100,
            AtOnce = 5,
            Ended = 5,
            Finished = Hours(1, 1, 1, 1, 1),
            InFlight = Times(5, TimeSpan.FromMinutes(30)),
            Success = new(Needed: 5, Succeeded: 5, ToCome: 0),
        };

        Remaining(pieces).Likely.TotalHours.Should().BeApproximately(0.5, 0.05);
    }

    [Fact]
    public void Last_wave_that_is_not_full_costs_its_pieces_and_ends_with_them()
    {
        // 45 pieces in waves of ten: the fifth wave has five.
        var estimate = Remaining(
            new()
            {
                Total = 45,
                AtOnce = 10,
                Ended = 10,
                Finished = Times(10, TimeSpan.FromHours(1)),
                InFlight = Times(10, TimeSpan.Zero),
            }
        );

        estimate.Likely.TotalHours.Should().BeApproximately(3.5, 0.01);
        (estimate.Likely + estimate.LastWave).TotalHours.Should().BeApproximately(4, 0.01);
    }

    [Fact]
    public void Age_of_pieces_in_flight_raises_the_estimate()
    {
        var young = new Pieces
        {
            Total = 100,
            AtOnce = 10,
            Ended = 1,
            Finished = Hours(0.1),
            InFlight = Times(9, TimeSpan.FromHours(0.1)),
        };
        var old = young with { InFlight = Times(9, TimeSpan.FromHours(3)) };

        Gpu(young).Should().BeInRange(9, 14);
        Gpu(old).Should().BeGreaterThan(90 * 2.5, "nine of ten take more than three hours");
    }

    [Fact]
    public void Duration_is_unknown_without_ended_pieces_or_a_declaration()
    {
        var job = new JobFacts
        {
            Pieces =
            [
                new()
                {
                    Total = 60,
                    AtOnce = 10,
                    InFlight = Times(10, TimeSpan.FromMinutes(30)),
                },
            ],
            RunningSince = Now.AddMinutes(-30),
        };

        Estimator.Remaining(job, Now).IsKnown.Should().BeFalse();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(30)]
    [InlineData(59)]
    public void Nothing_ended_leaves_the_declared_duration_less_the_age_of_what_runs(int minutes)
    {
        var job = new JobFacts
        {
            DeclaredDuration = TimeSpan.FromHours(6),
            Pieces =
            [
                new()
                {
                    Total = 60,
                    AtOnce = 10,
                    InFlight = Times(10, TimeSpan.FromMinutes(minutes)),
                },
            ],
            RunningSince = Now.AddMinutes(-minutes),
        };

        Estimator.Remaining(job, Now).Should().Match<Estimate>(e => e.Source == EstimateSource.Declared);
        Estimator.Remaining(job, Now).Likely.TotalHours.Should().BeApproximately(6 - minutes / 60.0, 0.01);
    }

    [Fact]
    public void Piece_that_is_longer_than_declared_is_not_of_unknown_length()
    {
        var job = new JobFacts
        {
            DeclaredDuration = TimeSpan.FromHours(6),
            Pieces =
            [
                new()
                {
                    Total = 60,
                    AtOnce = 10,
                    InFlight = Times(10, TimeSpan.FromHours(2)),
                },
            ],
            RunningSince = Now.AddHours(-2),
        };

        Estimator.Remaining(job, Now).Likely.TotalHours.Should().BeGreaterThan(10, "each of six waves takes two hours and more");
    }

    [Fact]
    public void Earlier_runs_of_a_series_are_scaled_to_the_pieces_that_are_left()
    {
        var job = new JobFacts
        {
            EarlierRuns = [new(TimeSpan.FromHours(10)), new(TimeSpan.FromHours(10)), new(TimeSpan.FromHours(10))],
            Pieces =
            [
                new()
                {
                    Total = 100,
                    AtOnce = 10,
                    Ended = 80,
                },
            ],
        };

        Estimator.AfterResume(job).Should().Match<Estimate>(e => e.Source == EstimateSource.Series);
        Estimator.AfterResume(job).Likely.TotalHours.Should().BeApproximately(2, 0.01);
    }

    [Fact]
    public void Stop_loses_the_age_of_what_runs()
    {
        var job = Job(
            new()
            {
                Total = 20,
                AtOnce = 2,
                Ended = 10,
                Finished = Times(10, TimeSpan.FromHours(1)),
                InFlight = Times(2, TimeSpan.FromMinutes(30)),
            }
        );

        (Estimator.AfterResume(job).Likely - Estimator.Remaining(job, Now).Likely).TotalMinutes.Should().BeApproximately(30, 1);
    }

    [Fact]
    public void Parts_that_run_one_after_another_are_not_added_up()
    {
        // Ten pieces of one GPU, then a part of eight GPUs for two hours, as its earlier pieces took.
        var job = new JobFacts
        {
            Gpus = 8,
            Pieces =
            [
                new()
                {
                    Total = 10,
                    AtOnce = 1,
                    Ended = 5,
                    Finished = Times(5, TimeSpan.FromHours(1)),
                },
                new()
                {
                    Total = 2,
                    AtOnce = 1,
                    Gpus = 8,
                    Stage = 1,
                    Ended = 1,
                    Finished = Hours(2),
                },
            ],
        };

        var estimate = Estimator.AfterResume(job);
        (estimate.Likely.TotalHours * 8).Should().BeApproximately(5 + 16, 0.5);
        (estimate.Likely + estimate.LastWave).TotalHours.Should().BeApproximately(7, 0.1);
    }

    [Fact]
    public void Deadline_counts_from_the_start_of_the_job_and_not_of_its_present_pod()
    {
        var job = new JobFacts
        {
            ActiveDeadline = TimeSpan.FromHours(1),
            StartedAt = Now.AddMinutes(-55),
            RunningSince = Now.AddMinutes(-5),
            DeclaredDuration = TimeSpan.FromHours(2),
        };

        Estimator.Remaining(job, Now).High.Should().Be(TimeSpan.FromMinutes(5));
    }

    [Fact]
    public void Gang_is_not_made_of_pieces()
    {
        var job = new JobFacts
        {
            DeclaredDuration = TimeSpan.FromHours(2),
            RunningSince = Now.AddHours(-3),
            Pieces =
            [
                new()
                {
                    Total = 4,
                    AtOnce = 4,
                    InFlight = Times(4, TimeSpan.FromHours(3)),
                },
            ],
        };

        Estimator.Remaining(job, Now).Detail.Should().Be("it has run longer than its expected-duration");
    }

    private static JobFacts Job(Pieces pieces) => new() { Pieces = [pieces], RunningSince = Now.AddHours(-1) };

    private static Estimate Remaining(Pieces pieces) => Estimator.Remaining(Job(pieces), Now);

    /// <summary>GPU-hours left at the likely end.</summary>
    private static double Gpu(Pieces pieces)
    {
        var estimate = Remaining(pieces);
        estimate.Low.Should().BeLessThanOrEqualTo(estimate.Likely).And.BeGreaterThanOrEqualTo(TimeSpan.Zero);
        estimate.High.Should().BeGreaterThanOrEqualTo(estimate.Likely);
        return estimate.Likely.TotalHours * pieces.Slots;
    }

    private static TimeSpan[] Times(int count, TimeSpan each) => [.. Enumerable.Repeat(each, count)];

    private static TimeSpan[] Hours(params double[] hours) => [.. hours.Select(TimeSpan.FromHours)];
}
