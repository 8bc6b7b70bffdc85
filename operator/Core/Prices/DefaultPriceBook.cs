using Bursar.Core.Money;

namespace Bursar.Core.Prices;

/// <summary>
/// The prices Bursar starts with where a cluster has no book: public on-demand list prices, instance price ÷ GPUs,
/// US dollars. They are a start to be replaced by one's own, and each says where it is from and of what day.
/// <para>
/// Choices: AWS us-east-1 where AWS lists the product, being the largest and machine-readable; else the one list that
/// has it. V100 is 3.06 (p3.2xlarge, also Azure's), the price of the founding example. The founding articles'
/// other figures (H100 2.00, A100 4.00, A10 0.75, T4 0.50) are community or former prices and stand here as today's
/// lists have them. A product without a list price (L40, GH200, GeForce and RTX boards) is left out on purpose: unpriced is said
/// aloud, a guess would be believed.
/// </para>
/// </summary>
public static class DefaultPriceBook
{
    public const string Name = "list-prices";
    public const string Currency = "USD";

    /// <summary>Order matters: GB200 before B200, A100 80 GB before other A100, A10G before A10, L40S before L4.</summary>
    private static readonly (string Product, string PerGpuHour, string Note)[] Table =
    [
        ("*GB200*", "27.04", "Azure GB200 108.16/4, 2026-06-18"),
        ("*-B300*", "17.80", "AWS B300, us-east-1, 2026-07-20"),
        ("*-B200*", "14.24", "AWS p6-b200, us-east-1, 2026-07-20"),
        ("*-H200*", "7.912", "AWS p5en, us-east-1, 2026-07-20"),
        ("*H100*", "6.88", "AWS p5.48xlarge 55.04/8, us-east-1, 2026-07-20"),
        ("*A100-*80GB*", "3.431", "AWS p4de, us-east-1, 2026-07-20"),
        ("*A100-*", "2.745", "AWS p4d 21.9576/8, us-east-1, 2026-07-20"),
        ("*V100*", "3.06", "AWS p3.2xlarge, us-east-1, 2026-07-20; Azure NC6s_v3 the same"),
        ("*A10G*", "1.006", "AWS g5.xlarge, us-east-1, 2026-07-20"),
        ("*-A10", "1.29", "Lambda A10, 2026-09-20"),
        ("*-A10-*", "1.29", "Lambda A10, 2026-09-20"),
        ("*L40S*", "1.861", "AWS g6e.xlarge, us-east-1, 2026-07-20"),
        ("*-L4", "0.8048", "AWS g6.xlarge, us-east-1, 2026-07-20"),
        ("*-L4-*", "0.8048", "AWS g6.xlarge, us-east-1, 2026-07-20"),
        ("*-T4", "0.526", "AWS g4dn.xlarge, us-east-1, 2026-07-20; Azure NC4as_T4_v3 the same"),
        ("*-T4-*", "0.526", "AWS g4dn.xlarge, us-east-1, 2026-07-20; Azure NC4as_T4_v3 the same"),
        ("*MI300X*", "6.00", "Azure ND96isr_MI300X_v5 48.00/8, eastus2, 2026-06-18"),
    ];

    public static readonly PriceBook Book = new(Name, 0, Currency, [.. Table.Select(Rule)]);

    private static PriceRule Rule((string Product, string PerGpuHour, string Note) row) =>
        Rate.TryParse(row.PerGpuHour, out var rate)
            ? new(new(row.Product), rate, row.Note)
            : throw new FormatException($"the default book's price of {row.Product} is no amount: {row.PerGpuHour}");
}
