namespace Bursar.Core.Ledger;

/// <summary>The name of a price class: the product, and in brackets the attributes of the node that its price depends on.</summary>
public static class PriceClassName
{
    public const string UnknownProduct = "unknown product";

    private const string Opening = " [";

    /// <param name="product">The product; empty if unknown.</param>
    /// <param name="attributes">The attributes as texts.</param>
    public static string From(string product, IReadOnlyCollection<string> attributes)
    {
        if (product.Length == 0)
            product = UnknownProduct;
        return attributes.Count == 0 ? product : $"{product}{Opening}{string.Join(", ", attributes)}]";
    }

    /// <summary>Returns the product of a class. Empty: its nodes have none.</summary>
    public static string ProductOf(string priceClass)
    {
        var product = priceClass.IndexOf(Opening, StringComparison.Ordinal) is >= 0 and var at ? priceClass[..at] : priceClass;
        return product == UnknownProduct ? "" : product;
    }
}
