using Bursar.Core.Money;
using Bursar.Core.Scaling;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Scaling;

/// <summary>Division of an affordable rate: properties over random prices, weights, minimum replicas and wanted replicas.</summary>
public sealed class FairShareAllocatorTests
{
    private static readonly Gen<ReplicaPrices> PriceGenerator =
        from live in Gen.Choose(0, 6)
        from burn in Gen.Choose(1, 1000)
        from next in Gen.Frequency(
            (9, Gen.Choose(0, 200).Select(price => (HourlyCost?)new HourlyCost(price))),
            (1, Gen.Constant((HourlyCost?)null))
        )
        select new ReplicaPrices(live, live == 0 ? HourlyCost.Zero : new HourlyCost(burn), next);

    private static readonly Gen<ShareRequest[]> ClaimGenerator = (
        from weight in Gen.Choose(1, 4)
        from minimum in Gen.Choose(0, 3)
        from wanted in Gen.Choose(0, 15)
        from prices in PriceGenerator
        select new ShareRequest
        {
            Key = "",
            Weight = weight,
            MinimumReplicas = minimum,
            Least = minimum,
            Wanted = wanted,
            Max = 15,
            Prices = prices,
        }
    )
        .NonEmptyListOf()
        .Select(claims => claims.Take(8).Select((claim, i) => claim with { Key = $"scaler-{i}" }).ToArray());

    private static readonly Arbitrary<(ShareRequest[] Claims, long Room)> Divisions = ClaimGenerator
        .Zip(Gen.Choose(0, 4000).Select(room => (long)room))
        .ToArbitrary();

    [Fact]
    public void Shares_together_never_cost_more_than_the_affordable_rate() =>
        Check(division => Used(division.Claims, Divide(division)).Should().BeLessThanOrEqualTo(division.Room));

    [Fact]
    public void Share_is_between_minimum_replicas_and_wanted_replicas() =>
        Check(division =>
        {
            foreach (var (claim, grant) in division.Claims.Zip(Divide(division)))
            {
                grant.Replicas.Should().BeInRange(claim.MinimumReplicas, Math.Max(claim.MinimumReplicas, claim.Wanted));
                grant.Affordable.Should().BeInRange(grant.Replicas, Math.Max(claim.Max, grant.Replicas));
            }
        });

    [Fact]
    public void Every_wanted_replica_that_fits_is_allocated() =>
        Check(division =>
        {
            var grants = Divide(division);
            var left = division.Room - Used(division.Claims, grants);
            foreach (var (claim, grant) in division.Claims.Zip(grants))
                if (
                    grant.Replicas < claim.Wanted
                    && AboveMinimum(claim, grant.Replicas + 1) is { } next
                    && AboveMinimum(claim, grant.Replicas) is { } now
                )
                    (next - now).Should().BeGreaterThan(left);
        });

    [Fact]
    public void Affordable_replicas_fit_what_the_shares_leave() =>
        Check(division =>
        {
            var grants = Divide(division);
            var left = division.Room - Used(division.Claims, grants);
            foreach (var (claim, grant) in division.Claims.Zip(grants))
                if (grant.Affordable > grant.Replicas)
                    (AboveMinimum(claim, grant.Affordable)!.Value - AboveMinimum(claim, grant.Replicas)!.Value)
                        .Should()
                        .BeLessThanOrEqualTo(left);
        });

    [Fact]
    public void Order_of_the_requests_does_not_matter() =>
        Check(division =>
        {
            FairShareAllocator
                .Divide(new(division.Room), [.. division.Claims.Reverse()])
                .OrderBy(grant => grant.Key, StringComparer.Ordinal)
                .Should()
                .Equal(Divide(division).OrderBy(grant => grant.Key, StringComparer.Ordinal));
        });

    [Fact]
    public void Lower_affordable_rate_never_pays_for_more() =>
        Prop.ForAll(Divisions, Gen.Choose(0, 4000).ToArbitrary(), (division, less) =>
                Used(division.Claims, FairShareAllocator.Divide(new(Math.Min(less, division.Room)), division.Claims))
                <= Used(division.Claims, Divide(division))
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Equal_prices_are_shared_by_weight() =>
        Check(division =>
        {
            var claims = division
                .Claims.Select(claim => claim with { Prices = new(0, HourlyCost.Zero, new HourlyCost(7)), Wanted = 1000, Max = 1000 })
                .ToArray();
            var grants = FairShareAllocator.Divide(new(division.Room), claims);
            foreach (var (one, got) in claims.Zip(grants))
            foreach (var (other, had) in claims.Zip(grants))
                if (got.Replicas > one.MinimumReplicas)
                    ((got.Replicas - one.MinimumReplicas) * other.Weight)
                        .Should()
                        .BeLessThanOrEqualTo(
                            (had.Replicas - other.MinimumReplicas + 1) * one.Weight,
                            "no request is more than a replica ahead of its weight"
                        );
        });

    [Fact]
    public void Share_that_is_still_in_use_goes_to_no_other_request() =>
        Check(division =>
        {
            // The first request still uses more than its share. Together they stay within the rate, or the others get only their minimum.
            var claims = division.Claims.Select((claim, i) => i == 0 ? claim with { Least = claim.MinimumReplicas + 5 } : claim).ToArray();
            var grants = FairShareAllocator.Divide(new(division.Room), claims);
            if (Used(claims, grants) > division.Room)
                grants.Skip(1).Select(grant => grant.Replicas).Should().Equal(claims.Skip(1).Select(claim => claim.MinimumReplicas));
        });

    [Fact]
    public void Repeated_division_gives_the_same_shares() =>
        Check(division =>
        {
            var grants = Divide(division);
            FairShareAllocator
                .Divide(new(division.Room), [.. division.Claims.Zip(grants, (claim, grant) => claim with { Has = grant.Replicas })])
                .Should()
                .Equal(grants);
        });

    [Fact]
    public void Running_replicas_are_kept_while_no_request_lacks_much() =>
        Prop.ForAll(Divisions, Gen.Choose(0, 200).ToArbitrary(), (division, more) =>
            {
                // Compares running replicas at a slightly higher rate with a division from scratch.
                var claims = division
                    .Claims.Select(claim =>
                        claim with
                        {
                            Prices = claim.Prices with { Live = 0, Burn = HourlyCost.Zero, Next = claim.Prices.Next ?? new HourlyCost(3) },
                        }
                    )
                    .ToArray();
                var grants = FairShareAllocator.Divide(new(division.Room), claims);
                var running = claims.Zip(grants, (claim, grant) => claim with { Has = grant.Replicas }).ToArray();
                var (afresh, kept) = (
                    FairShareAllocator.Divide(new(division.Room + more), claims),
                    FairShareAllocator.Divide(new(division.Room + more), running)
                );
                Used(claims, kept).Should().BeLessThanOrEqualTo(division.Room + more);
                var fell = kept.Zip(grants).Any(pair => pair.First.Replicas < pair.Second.Replicas);
                if (fell)
                    kept.Select(grant => grant.Replicas).Should().Equal(afresh.Select(grant => grant.Replicas));
                var dearest = claims.Max(claim => claim.Prices.Next!.Value.NanoPerHour);
                for (var i = 0; i < claims.Length; i++)
                    (AboveMinimum(claims[i], afresh[i].Replicas)!.Value - AboveMinimum(claims[i], kept[i].Replicas)!.Value)
                        .Should()
                        .BeLessThanOrEqualTo(2 * dearest);
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Scaler_with_all_replicas_yields_to_a_later_one()
    {
        ShareRequest Claim(string key, int has) =>
            new()
            {
                Key = key,
                MinimumReplicas = 0,
                Has = has,
                Wanted = 20,
                Max = 20,
                Prices = new(has, new HourlyCost(2) * has, new HourlyCost(2)),
            };
        FairShareAllocator.Divide(new(20), [Claim("a", 10), Claim("b", 0)]).Select(grant => grant.Replicas).Should().Equal(5, 5);
        FairShareAllocator
            .Divide(new(20), [Claim("a", 6), Claim("b", 4)])
            .Select(grant => grant.Replicas)
            .Should()
            .Equal([6, 4], "one more or less is not worth a start");
        FairShareAllocator.Divide(new(18), [Claim("a", 6), Claim("b", 4)]).Select(grant => grant.Replicas).Should().Equal(5, 4);
    }

    [Fact]
    public void Later_scaler_is_not_kept_at_its_minimum_replicas()
    {
        ShareRequest Claim(string key, int minimum, int has, int weight = 1) =>
            new()
            {
                Key = key,
                Weight = weight,
                MinimumReplicas = minimum,
                Has = has,
                Wanted = 6,
                Max = 6,
                Prices = new(has, new HourlyCost(3) * has, new HourlyCost(3)),
            };
        FairShareAllocator.Divide(new(7), [Claim("a", 1, 3), Claim("b", 1, 1)]).Select(grant => grant.Replicas).Should().Equal(2, 2);
        FairShareAllocator.Divide(new(7), [Claim("a", 1, 1), Claim("b", 1, 3)]).Select(grant => grant.Replicas).Should().Equal(2, 2);
        FairShareAllocator
            .Divide(new(10), [Claim("a", 0, 1), Claim("b", 0, 1), Claim("c", 0, 1), Claim("d", 0, 0)])
            .Select(grant => grant.Replicas)
            .Should()
            .Equal([1, 1, 1, 0], "one replica is as good with one as with the other");
        FairShareAllocator
            .Divide(new(10), [Claim("a", 0, 2), Claim("b", 0, 1), Claim("c", 0, 0)])
            .Select(grant => grant.Replicas)
            .Should()
            .Equal(1, 1, 1);
        FairShareAllocator
            .Divide(new(7), [Claim("a", 1, 3, weight: 2), Claim("b", 1, 1)])
            .Select(grant => grant.Replicas)
            .Should()
            .Equal([3, 1], "two by the weight of two are one by one");
        // Unequal prices: shares are equal in cost, and no more than the rate pays for.
        ShareRequest Priced(string key, int price, int has) =>
            new()
            {
                Key = key,
                MinimumReplicas = 0,
                Has = has,
                Wanted = 6,
                Max = 6,
                Prices = new(has, new HourlyCost(price) * has, new HourlyCost(price)),
            };
        FairShareAllocator.Divide(new(6), [Priced("a", 2, 3), Priced("b", 3, 0)]).Select(grant => grant.Replicas).Should().Equal(1, 1);
        FairShareAllocator
            .Divide(new(5), [Priced("a", 2, 2), Priced("b", 3, 0)])
            .Select(grant => grant.Replicas)
            .Should()
            .Equal([2, 0], "only one of a's is more than b would have, and does not pay for it");
        FairShareAllocator.Divide(new(8), [Priced("a", 2, 4), Priced("b", 3, 0)]).Select(grant => grant.Replicas).Should().Equal(2, 1);
    }

    [Fact]
    public void Weighted_shares_equal_the_example_of_the_documentation()
    {
        ShareRequest Claim(string key, int weight, int wanted) =>
            new()
            {
                Key = key,
                Weight = weight,
                MinimumReplicas = 1,
                Least = 1,
                Wanted = wanted,
                Max = 20,
                Prices = new(1, new HourlyCost(2), new HourlyCost(2)),
            };
        FairShareAllocator.Divide(new(12), [Claim("a", 1, 20), Claim("b", 2, 20)]).Select(grant => grant.Replicas).Should().Equal(3, 5);
        FairShareAllocator
            .Divide(new(12), [Claim("a", 1, 20), Claim("b", 2, 2)])
            .Select(grant => (grant.Replicas, grant.Affordable))
            .Should()
            .Equal((6, 6), (2, 2));
        FairShareAllocator
            .Divide(new(12), [Claim("a", 1, 2), Claim("b", 2, 2)])
            .Select(grant => (grant.Replicas, grant.Affordable))
            .Should()
            .Equal((2, 6), (2, 6));
    }

    [Fact]
    public void Largest_replica_count_for_a_rate_is_found() =>
        Prop.ForAll(
                PriceGenerator.ToArbitrary(),
                Gen.Choose(0, 3000).ToArbitrary(),
                Gen.Choose(0, 40).ToArbitrary(),
                (prices, most, upTo) =>
                {
                    var known = Enumerable.Range(0, upTo + 1).Select(n => (n, Cost: prices.RateOf(n)?.NanoPerHour)).ToArray();
                    var best = known.Last(one => one.Cost <= most).n;
                    // Another replica of unknown price might fit as well.
                    int? expected = best < upTo && known[best + 1].Cost is null ? null : best;
                    return prices.Within(new(most), upTo) == expected;
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void More_replicas_never_cost_less() =>
        Prop.ForAll(PriceGenerator.ToArbitrary(), Gen.Choose(0, 40).ToArbitrary(), (prices, n) =>
                prices.RateOf(n + 1) is not { } more || prices.RateOf(n) is { } cost && !(more < cost)
            )
            .QuickCheckThrowOnFailure();

    private static void Check(Action<(ShareRequest[] Claims, long Room)> holds) => Prop.ForAll(Divisions, holds).QuickCheckThrowOnFailure();

    private static IReadOnlyList<Share> Divide((ShareRequest[] Claims, long Room) division) =>
        FairShareAllocator.Divide(new(division.Room), division.Claims);

    private static long Used(ShareRequest[] claims, IReadOnlyList<Share> grants) =>
        claims.Zip(grants).Sum(pair => AboveMinimum(pair.First, pair.Second.Replicas) ?? 0);

    private static long? AboveMinimum(ShareRequest claim, int replicas) =>
        claim.Prices.RateOf(replicas)?.NanoPerHour - claim.Prices.RateOf(claim.MinimumReplicas)?.NanoPerHour;
}
