namespace Bursar.Sandbox.Schemas;

/// <summary>The kinds of Kubernetes that the Sandbox serves without a CRD.</summary>
public static class BuiltInKinds
{
    private static readonly IReadOnlyList<KindInfo> Stored = [.. BuiltInTypes.Table.Kinds.Where(k => !k.CreateOnly)];

    private static readonly IReadOnlyList<KindInfo> Asked = [.. BuiltInTypes.Table.Kinds.Where(k => k.CreateOnly)];

    /// <summary>The kinds whose objects are stored.</summary>
    public static IReadOnlyList<KindInfo> All => Stored;

    /// <summary>The kinds whose objects are not stored: access and token reviews.</summary>
    public static IReadOnlyList<KindInfo> Reviews => Asked;
}
