using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Bursar.Api;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The label with the name of the user who created a workload, so that a budget can limit each user. The webhook sets it at creation, and an
/// annotation of the same name with the whole name.
/// </summary>
internal static partial class CreatorLabel
{
    private const int Longest = 63;

    /// <summary>Hexadecimal digits of the hash, 80 bits.</summary>
    private const int HashDigits = 20;

    /// <summary>
    /// Returns the label's value for a user. A name that is a valid value is kept. Any other name becomes its valid characters with a hash of
    /// the whole name. A name that has that form itself gets a hash too, so two names have different values.
    /// </summary>
    public static string ValueOf(string user)
    {
        if (Plain().IsMatch(user) && !Hashed().IsMatch(user))
            return user;
        var readable = Trim(Invalid().Replace(user, "-"));
        readable = Trim(readable[..Math.Min(readable.Length, Longest - HashDigits - 1)]);
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(user)))[..HashDigits];
        return $"{(readable.Length > 0 ? readable : "user")}-{hash}";
    }

    /// <summary>
    /// Returns the value on an object; null if it has none, or if it belongs to another controller. That controller may copy any label, and the
    /// webhook does not see such an object. A Job of a CronJob has the creator of the CronJob.
    /// </summary>
    public static string? Of(V1ObjectMeta metadata) =>
        metadata.Labels.TryGetValue(BursarAnnotations.CreatedBy, out var value)
        && metadata.ControllerReference() is null or { IsCronJob: true }
            ? value
            : null;

    /// <summary>Returns labels with this creator only; null for none. Users write pod templates, so the label of a template does not count.</summary>
    public static IReadOnlyDictionary<string, string> With(IReadOnlyDictionary<string, string> labels, string? creator)
    {
        if (labels.GetValueOrDefault(BursarAnnotations.CreatedBy) == creator)
            return labels;
        var all = new Dictionary<string, string>(labels, StringComparer.Ordinal);
        if (creator is null)
            all.Remove(BursarAnnotations.CreatedBy);
        else
            all[BursarAnnotations.CreatedBy] = creator;
        return all;
    }

    private static string Trim(string text) => text.Trim('-', '_', '.');

    [GeneratedRegex(@"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Plain();

    [GeneratedRegex(@"-[0-9a-f]{20}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Hashed();

    [GeneratedRegex("[^A-Za-z0-9._-]", RegexOptions.CultureInvariant)]
    private static partial Regex Invalid();
}
