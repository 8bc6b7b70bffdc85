namespace Bursar.Kube.Attributes;

/// <summary>Regular expression (RE2) that a string must match.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PatternAttribute(string regexPattern) : Attribute
{
    public string RegexPattern { get; } = regexPattern;
}
