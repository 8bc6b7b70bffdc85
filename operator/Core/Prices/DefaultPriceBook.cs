using Bursar.Core.Money;

namespace Bursar.Core.Prices;

/// <summary>
/// The prices that Bursar uses in a cluster without a price book: public on-demand list prices, instance price ÷ GPUs, in US dollars. Users
/// are expected to replace them. Each note names the source and its date.
/// <para>
/// AWS us-east-1 is used if AWS lists the product, because it is the largest list and machine-readable; otherwise the one list that has it.
/// A product without a list price (L40, GH200, GeForce and RTX boards) is left out on purpose, because a missing price is reported and a
/// guess would be trusted.
/// </para>
/// </summary>
public static class DefaultPriceBook
{
    public const string Name = "list-prices";
    public const string Currency = "USD";

    /// <summary>Order matters: GB200 before B200, A100 80 GB before other A100, A10G before A10, L40S before L4.</summary>
    private static readonly (string Product, string PerGpuHour, string Note)[] Today =
    [
        ("*GB200*", "27.04", "Azure GB200 108.16/4, 2026-06-18"),
        ("*-B300*", "17.80", "AWS B300, us-east-1, 2026-07-20"),
        ("*-B200*", "14.24", "AWS p6-b200, us-east-1, 2026-07-20"),
        ("*-H200*", "7.912", "AWS p5en, us-east-1, 2026-07-20"),
        ("*H100*", "6.88", "AWS p5.48xlarge 55.04/8, us-east-1, 2026-07-20"),
        ("*A100-*80GB*", "3.431", "AWS p4de, us-east-1, 2026-07-20"),
        ("*A100-*", "2.745", "AWS p4d 21.9576/8, us-east-1, 2026-07-20"),
        ("*-A100", "2.745", "AWS p4d 21.9576/8, us-east-1, 2026-07-20"),
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

    public static readonly PriceBook Book = new(Name, 0, Currency, [.. Today.Select(Rule)]);

    /// <summary>
    /// The rates of the articles of 2025-12 and 2026-01 whose cost examples Bursar's tests reproduce. They are community or former prices,
    /// except that of the V100.
    /// </summary>
    public static readonly PriceBook Founding = new(
        "founding-articles",
        0,
        Currency,
        [
            Rule(("*H100*", "2.00", "article on the cost of LLM applications, 2025-12")),
            Rule(("*A100*", "4.00", "article on the cost of an API call, 2026-01")),
            Rule(("*V100*", "3.06", "article on the cost of an API call, p3.2xlarge, 2026-01")),
            Rule(("*A10", "0.75", "article on the cost of LLM applications, 2025-12")),
            Rule(("*A10-*", "0.75", "article on the cost of LLM applications, 2025-12")),
            Rule(("*T4*", "0.50", "article on the cost of LLM applications, 2025-12")),
        ]
    );

    private static PriceRule Rule((string Product, string PerGpuHour, string Note) row) =>
        GpuHourPrice.TryParse(row.PerGpuHour, out var rate)
            ? new(new(row.Product), rate, row.Note)
            : throw new FormatException($"the default book's price of {row.Product} is not an amount: {row.PerGpuHour}");
}
