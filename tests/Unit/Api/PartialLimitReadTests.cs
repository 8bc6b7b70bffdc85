using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Tests.Unit.Api;

/// <summary>The limits inside a budget, as they are read from its spec.</summary>
public sealed class PartialLimitReadTests
{
    [Fact]
    public void Cost_is_the_limit_of_the_budget_and_GPU_hours_are_one_inside()
    {
        var budget = Budget(
            new()
            {
                Limit = new() { Cost = "500", GpuHours = "20.5" },
            }
        );

        GpuBudgetReader.Read(budget, out var terms, out _, out _).Should().BeEmpty();
        (terms!.Limit, terms.Counted).Should().Be((Of("500"), CountedUsage.Cost));
        var limit = GpuBudgetReader.LimitsOf(budget, []).Should().ContainSingle().Subject;
        GpuBudgetReader.Read(limit, out terms, out _, out _).Should().BeEmpty();
        (terms!.Limit, terms.Counted).Should().Be((Of("20.5"), new CountedUsage(UsageUnit.GpuHours)));
        (limit.Metadata.Name, limit.Metadata.Uid, limit.LimitName).Should().Be(("b/gpuHours", "uid/gpuHours", "gpuHours"));
        limit.Whole.Should().BeSameAs(budget);
    }

    [Fact]
    public void GPU_hours_without_a_cost_are_the_limit_of_the_budget()
    {
        var budget = Budget(new() { Limit = new() { GpuHours = "20" } });

        GpuBudgetReader.Read(budget, out var terms, out _, out _).Should().BeEmpty();
        (terms!.Limit, terms.Counted.Unit).Should().Be((Of("20"), UsageUnit.GpuHours));
        GpuBudgetReader.LimitsOf(budget, []).Should().BeEmpty();
    }

    [Fact]
    public void Top_ups_and_rollover_belong_to_the_limit_of_the_budget_alone()
    {
        var budget = Budget(
            new()
            {
                Limit = new() { Cost = "500" },
                TopUps = [new() { Amount = "10", Window = "2026-11" }],
                Rollover = new() { MaxPercent = 20 },
                Limits =
                [
                    new()
                    {
                        Name = "h100",
                        Match = new() { Product = "*H100*" },
                        Cost = "100",
                    },
                ],
            }
        );

        GpuBudgetReader.Read(budget, out _, out _, out _).Should().BeEmpty();
        GpuBudgetReader.Read(GpuBudgetReader.LimitsOf(budget, []).Single(), out var terms, out _, out _);
        terms!.Counted.Should().Be(new CountedUsage(UsageUnit.Cost, "*H100*"));
        (terms.TopUps.Count, terms.RolloverPercent).Should().Be((0, 0));
    }

    [Fact]
    public void Each_value_of_the_label_has_a_limit_that_selects_it()
    {
        var budget = Budget(
            new()
            {
                Limit = new() { Cost = "500" },
                Selector = new() { MatchLabels = new Dictionary<string, string> { ["team"] = "nlp" } },
                PerLabel = new()
                {
                    Key = "user",
                    Limit = new() { GpuHours = "8" },
                },
            }
        );

        var limits = GpuBudgetReader.LimitsOf(budget, ["alice", ""]);
        limits.Select(limit => limit.LimitName).Should().Equal("user=alice", "user=");
        GpuBudgetReader.Read(limits[0], out _, out var selector, out _);
        selector.Matches(new Dictionary<string, string> { ["team"] = "nlp", ["user"] = "alice" }).Should().BeTrue();
        selector.Matches(new Dictionary<string, string> { ["team"] = "nlp", ["user"] = "bob" }).Should().BeFalse();
        selector.Matches(new Dictionary<string, string> { ["user"] = "alice" }).Should().BeFalse();
        limits[0].IsLimitOfOtherValue(limits[1]).Should().BeTrue();
        budget.IsLimitOfOtherValue(limits[1]).Should().BeFalse();
    }

    [Fact]
    public void First_measure_is_the_limit_of_the_budget_and_each_other_is_one_inside()
    {
        var budget = Budget(
            new()
            {
                Limit = new()
                {
                    GpuHours = "20",
                    EnergyKWh = "12.5",
                    Co2eKg = "4",
                    Tokens = "1000000",
                },
                PerLabel = new()
                {
                    Key = "user",
                    Limit = new() { Tokens = "1000" },
                },
            }
        );

        GpuBudgetReader.Read(budget, out var terms, out _, out _).Should().BeEmpty();
        terms!.Counted.Should().Be(new CountedUsage(UsageUnit.GpuHours));
        GpuBudgetReader
            .LimitsOf(budget, ["alice"])
            .Select(limit =>
            {
                GpuBudgetReader.Read(limit, out var inside, out _, out _);
                return (limit.LimitName, inside!.Limit, inside.Counted.Unit);
            })
            .Should()
            .Equal(
                ("energyKWh", Of("12.5"), UsageUnit.Energy),
                ("co2eKg", Of("4"), UsageUnit.Co2e),
                ("tokens", Of("1000000"), UsageUnit.Tokens),
                ("user=alice", Of("1000"), UsageUnit.Tokens)
            );
        (GpuBudgetReader.CountsMeasured(budget), GpuBudgetReader.CountsCo2e(budget)).Should().Be((true, true));
    }

    [Fact]
    public void Limit_on_a_capacity_type_counts_its_nodes()
    {
        var budget = Budget(
            new()
            {
                Limit = new() { Cost = "500" },
                Limits =
                [
                    new()
                    {
                        Name = "spot",
                        Match = new() { CapacityType = "spot" },
                        GpuHours = "100",
                    },
                ],
            }
        );

        GpuBudgetReader.Read(GpuBudgetReader.LimitsOf(budget, []).Single(), out var terms, out _, out _).Should().BeEmpty();
        terms!.Counted.Should().Be(new CountedUsage(UsageUnit.GpuHours, null, "spot"));
        (terms.Counted.Counts("T4", "spot"), terms.Counted.Counts("T4", "on-demand"), terms.Counted.Counts("T4", ""))
            .Should()
            .Be((true, false, false));
        GpuBudgetReader.CountsMeasured(budget).Should().BeFalse();
    }

    [Theory]
    [InlineData("half-a-token", "spec.limit.tokens")]
    [InlineData("bad-energy", "spec.limit.energyKWh")]
    [InlineData("bad-co2e", "spec.limit.co2eKg")]
    [InlineData("rolling", "spec.window.period")]
    [InlineData("rolling-per-label", "spec.window.period")]
    [InlineData("tokens-twice", "spec.limits[0].name")]
    [InlineData("two-label-measures", "spec.perLabel.limit")]
    [InlineData("no-amount", "spec.limit.cost")]
    [InlineData("bad-hours", "spec.limit.gpuHours")]
    [InlineData("two-measures", "spec.limits[0]")]
    [InlineData("no-measure", "spec.limits[0]")]
    [InlineData("bad-name", "spec.limits[0].name")]
    [InlineData("no-match", "spec.limits[0].match")]
    [InlineData("twice", "spec.limits[1].name")]
    [InlineData("bad-key", "spec.perLabel.key")]
    [InlineData("no-label-limit", "spec.perLabel.limit")]
    public void Invalid_limit_is_refused_with_its_field(string which, string path)
    {
        static GpuBudgetPartialLimit H100() =>
            new()
            {
                Name = "h100",
                Match = new() { Product = "*H100*" },
                Cost = "100",
            };
        var spec = new GpuBudgetSpec
        {
            Limit = new() { Cost = "500" },
            Limits = [H100()],
        };
        switch (which)
        {
            case "no-amount":
                spec.Limit = new();
                break;
            case "half-a-token":
                spec.Limit = new() { Cost = "1", Tokens = "0.5" };
                break;
            case "bad-energy":
                spec.Limit = new() { EnergyKWh = "1 kWh" };
                break;
            case "bad-co2e":
                spec.Limit = new() { Cost = "1", Co2eKg = "-1" };
                break;
            case "rolling":
                spec.Limit = new() { Cost = "1", EnergyKWh = "1" };
                spec.Window = new() { Period = "Rolling", Length = "24h" };
                break;
            case "rolling-per-label":
                spec.Window = new() { Period = "Rolling", Length = "24h" };
                spec.PerLabel = new()
                {
                    Key = "user",
                    Limit = new() { Tokens = "1" },
                };
                break;
            case "tokens-twice":
                spec.Limit = new() { Cost = "1", Tokens = "1" };
                spec.Limits[0].Name = "tokens";
                break;
            case "two-label-measures":
                spec.PerLabel = new()
                {
                    Key = "user",
                    Limit = new() { Tokens = "1", EnergyKWh = "1" },
                };
                break;
            case "bad-hours":
                spec.Limit = new() { Cost = "1", GpuHours = "many" };
                break;
            case "two-measures":
                spec.Limits[0].GpuHours = "1";
                break;
            case "no-measure":
                spec.Limits[0].Cost = null;
                break;
            case "bad-name":
                spec.Limits[0].Name = "H100";
                break;
            case "no-match":
                spec.Limits[0].Match = new();
                break;
            case "twice":
                spec.Limits = [H100(), H100()];
                break;
            case "bad-key":
                spec.PerLabel = new()
                {
                    Key = "not a key",
                    Limit = new() { Cost = "1" },
                };
                break;
            case "no-label-limit":
                spec.PerLabel = new() { Key = "user" };
                break;
        }
        var budget = Budget(spec);

        GpuBudgetReader.Read(budget, out var terms, out _, out _).Select(error => error.Path).Should().Equal(path);
        terms.Should().BeNull();
        GpuBudgetReader.LimitsOf(budget, ["alice"]).Should().BeEmpty("an invalid spec enforces nothing");
    }

    private static V1Alpha1GpuBudget Budget(GpuBudgetSpec spec) =>
        new()
        {
            Metadata = new()
            {
                Name = "b",
                Namespace = "team",
                Uid = "uid",
            },
            Spec = spec,
        };

    private static Amount Of(string text) => Amount.TryParse(text, out var amount) ? amount : throw new FormatException(text);
}
