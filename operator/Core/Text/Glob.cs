namespace Bursar.Core.Text;

/// <summary>
/// A pattern over a whole text: <c>*</c> is any run of characters, <c>?</c> any one; letters match whatever their case
/// (products are written <c>NVIDIA-H100-80GB-HBM3</c> by some and <c>nvidia-h100</c> by others).
/// </summary>
public static class Glob
{
    public static bool IsMatch(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        int p = 0,
            t = 0,
            star = -1,
            mark = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                mark = t;
            }
            else if (p < pattern.Length && (pattern[p] == '?' || char.ToUpperInvariant(pattern[p]) == char.ToUpperInvariant(text[t])))
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                // Let the last star swallow one character more: no recursion, at worst pattern × text steps.
                p = star + 1;
                t = ++mark;
            }
            else
                return false;
        }
        while (p < pattern.Length && pattern[p] == '*')
            p++;
        return p == pattern.Length;
    }
}
