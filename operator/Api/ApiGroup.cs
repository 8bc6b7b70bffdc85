namespace Bursar.Api;

/// <summary>The group and version that every kind of Bursar's belongs to.</summary>
public static class ApiGroup
{
    public const string Name = "bursar.dev";
    public const string Version = "v1alpha1";
    public const string GroupVersion = Name + "/" + Version;
}
